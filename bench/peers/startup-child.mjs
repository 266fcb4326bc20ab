/** One cold start, timed from within. node startup-child.mjs ENGINE '{ "file": …, "inputShape": …, … }' */
import { readFileSync } from 'node:fs';

const nodeMs = performance.now(); // since the process began
const [name, text] = process.argv.slice(2);
const task = JSON.parse(text);
const isVireo = name.startsWith('vireo');
const bytes = new Uint8Array(readFileSync(task.file));
const before = process.memoryUsage.rss();

const clock = [performance.now()];
const open = isVireo ? await importVireo() : (await import(`./engines/${name}.mjs`)).open;
clock.push(performance.now());
const runner = await open({ ...task, bytes });
const input = runner.prepare(new Int8Array(task.inputShape.reduce((product, extent) => product * extent, 1)));
clock.push(performance.now());
await runner.run(input);
clock.push(performance.now());

const grownBytes = process.memoryUsage.rss() - before;
const [importMs, createMs, firstMs] = clock.slice(1).map((at, i) => at - clock[i]);
const totalMs = clock[3] - clock[0];
console.log(JSON.stringify({ nodeMs, importMs, createMs, firstMs, totalMs, grownBytes }));
process.exit();

/** The two doors a program needs, and nothing of this benchmark. */
async function importVireo() {
  const { readTflite } = await import('../../dist/io/tflite/index.js');
  const vireo = await import('../../dist/index.js');
  const kernels = name === 'vireo-js' ? 'js' : task.kernels;
  return (model) => {
    const { [kernels]: set, js, reference } = vireo;
    const options = set ? { kernels: [...new Set([set, js, reference])] } : {};
    const session = vireo.compile(readTflite(model.bytes), options);
    return {
      prepare: (x) => x,
      run(x) {
        session.input(0).set(x);
        session.run();
        return session.output(0).slice();
      },
    };
  };
}
