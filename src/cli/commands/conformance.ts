/** `vireo conformance`: the cases of the ONNX backend suite, or others in its layout. */
import { casesIn, runSuite } from '../conformance.ts';
import { type Command, jsonOption, operandsOf } from '../options.ts';
import { progress, table } from '../terminal.ts';

export const conformance: Command = {
  name: 'conformance',
  operands: 'DIR_OR_TAR',
  about:
    'Runs ONNX backend test cases (model.onnx, test_data_set_K/input_J.pb, output_J.pb) from a folder or a .tar[.gz].',
  options: [jsonOption],
  example: 'vireo conformance node.tar.gz',
  run: async (given) => {
    const [path] = operandsOf(conformance, given, 1, 1);
    const bar = progress(undefined);
    const { report, reasons } = await runSuite(casesIn(path!), (done, name) => bar.update(done, name));
    bar.end();
    const { total, passed, failed, unsupported } = report;
    if (given.flag('json')) console.log(JSON.stringify(report, null, 2));
    else {
      console.log(
        `${passed} of ${total} cases passed, ${failed.length} failed, ${unsupported.length} are not supported`,
      );
      if (unsupported.length > 0) console.log(`\nNot supported:\n${countedOperators(unsupported)}`);
    }
    for (const name of failed) console.error(`failed: ${name}: ${reasons.get(name)}`);
    return failed.length > 0 || total === 0 ? 1 : 0;
  },
};

/** What stands in the way of how many cases. */
function countedOperators(unsupported: readonly { readonly operators: readonly string[] }[]): string {
  const counts = new Map<string, number>();
  for (const { operators } of unsupported)
    for (const name of operators) counts.set(name, (counts.get(name) ?? 0) + 1);
  const rows = [...counts].sort((a, b) => b[1] - a[1]).map(([name, count]) => [`  ${count}`, name]);
  return table(rows, [0]);
}
