/** `vireo export`: a network in another format. */
import { basename } from 'node:path';
import { VireoError } from '../../errors.ts';
import { findNetworkCard, writeCardBeside } from '../cards.ts';
import { dataFolder, readNetwork, sha256, writeWhole } from '../files.ts';
import { formatNames, formatOf } from '../formats.ts';
import { type Command, cardOption, jsonOption, operandsOf, shapeOption, shapesOf } from '../options.ts';
import { percent, showBytes, table } from '../terminal.ts';
import { version } from '../version.ts';

export const exportNetwork: Command = {
  name: 'export',
  operands: 'MODEL',
  about:
    'Writes a network, and its card, in another format: .vireo is compact, and needs no package to be read.',
  options: [
    { name: 'to', value: formatNames, about: 'the format (default: the one that FILE ends in)' },
    { name: 'out', value: 'FILE', about: 'where the network goes' },
    shapeOption,
    cardOption,
    jsonOption,
  ],
  example: 'vireo export net.tflite --out net.onnx',
  run: (given) => {
    const [path] = operandsOf(exportNetwork, given, 1, 1);
    const out = given.text('out');
    if (out === undefined) throw new VireoError('usage', '--out expects the file to write');
    const format = formatOf(out, given.text('to'));
    const { bytes: source, graph } = readNetwork(path!, shapesOf(given));
    const metadata = {
      producer: `vireo-nn ${version()}`,
      source: basename(path!),
      'source-sha256': sha256(source),
    };
    const notes: string[] = [];
    const bytes = format.write(graph, metadata, (note) => notes.push(note));
    writeWhole(out, bytes);
    const found = findNetworkCard(path!, source, { card: given.text('card'), dataFolder });
    const card = found && writeCardBeside(out, bytes, found);
    for (const note of notes) console.error(`note: ${note}`);
    if (given.flag('json')) {
      const report = {
        out,
        card: card ?? null,
        format: format.name,
        before: source.length,
        after: bytes.length,
      };
      console.log(JSON.stringify({ ...report, sha256: sha256(bytes) }, null, 2));
    } else
      console.log(
        table(
          [
            ['before', showBytes(source.length), '', path!],
            ['after', showBytes(bytes.length), percent(bytes.length / source.length), out],
            ...(card === undefined ? [] : [['card', '', '', card]]),
          ],
          [1, 2],
        ),
      );
    return 0;
  },
};
