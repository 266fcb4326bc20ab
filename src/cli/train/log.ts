/** The log of a training: a line of JSON for each epoch. */
import { appendFileSync, existsSync } from 'node:fs';
import { VireoError } from '../../errors.ts';
import { fieldsOf, numberOf, type Place, parseJson } from '../../io/cards/json.ts';
import { readFile, writeWhole } from '../files.ts';
import { percent, showTime } from '../terminal.ts';
import type { EpochRecord } from './curve.ts';

/** The first `epochs` lines of the log; the file keeps only these. */
export function openLog(path: string, epochs: number): EpochRecord[] {
  const text = epochs > 0 && existsSync(path) ? new TextDecoder().decode(readFile(path)) : '';
  const lines = text
    .split('\n')
    .filter((line) => line !== '')
    .slice(0, epochs);
  const records = lines.map((line, i) => recordOf(parseJson(line, `${path}: line ${i + 1}`)));
  writeWhole(path, new TextEncoder().encode(lines.map((line) => `${line}\n`).join('')));
  return records;
}

export function addToLog(path: string, record: EpochRecord): void {
  try {
    appendFileSync(path, `${JSON.stringify(record)}\n`);
  } catch (error) {
    throw new VireoError('io', `${path}: ${error instanceof Error ? error.message : error}`);
  }
}

function recordOf(place: Place): EpochRecord {
  const record = fieldsOf(place, [
    'epoch',
    'trainLoss',
    'trainAccuracy',
    'validationLoss',
    'validationAccuracy',
    'rate',
    'seconds',
  ]);
  const maybe = (field: Place): number | null => (field.value === null ? null : numberOf(field));
  return {
    epoch: numberOf(record.epoch),
    trainLoss: numberOf(record.trainLoss),
    trainAccuracy: numberOf(record.trainAccuracy),
    validationLoss: maybe(record.validationLoss),
    validationAccuracy: maybe(record.validationAccuracy),
    rate: numberOf(record.rate),
    seconds: numberOf(record.seconds),
  };
}

export function showRecord(record: EpochRecord, epochs: number): string {
  const { epoch, trainLoss, trainAccuracy, validationLoss, validationAccuracy, seconds } = record;
  const validation =
    validationLoss === null || validationAccuracy === null
      ? ''
      : `  validation ${validationLoss.toFixed(4)} ${percent(validationAccuracy)}`;
  const number = String(epoch).padStart(String(epochs).length);
  return `epoch ${number}/${epochs}  loss ${trainLoss.toFixed(4)} ${percent(trainAccuracy)}${validation}  ${showTime(seconds)}`;
}
