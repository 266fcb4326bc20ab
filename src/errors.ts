/** The one error that vireo throws on purpose. It says where, what was expected and what came. */

export type ErrorCode =
  | 'bad-file' // the bytes are not what their format promises
  | 'unsupported' // well-formed, but outside what vireo runs; the message lists everything at once
  | 'bad-graph' // a graph breaks one of its own rules
  | 'bad-input' // a tensor, picture, recording or card does not fit the network
  | 'too-large' // a declared size is over the limits in force
  | 'usage' // a call or command line is wrong
  | 'io'; // the file system refused

export class VireoError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.name = 'VireoError';
    this.code = code;
  }
}

/** Ends a `switch` over a union: a kind nobody handles fails to compile here. */
export function unreachable(value: never): never {
  throw new VireoError('bad-graph', `unknown kind ${JSON.stringify(value)}`);
}
