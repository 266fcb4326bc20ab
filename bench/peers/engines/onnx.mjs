/** What both builds of onnxruntime share: a session of one thread, and the way from vireo's tensors to its own. */

/** `ort`: the package. The twins are uint8 where the networks are int8: stored + 128. */
export async function openSession(ort, { bytes, dtype, inputShape, outputShapes }, options) {
  const session = await ort.InferenceSession.create(bytes, {
    executionProviders: options.providers,
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const [type, Type] = dtype === 'f32' ? ['float32', Float32Array] : ['uint8', Uint8Array];
  const [inputName] = session.inputNames;
  const size = (shape) => shape.reduce((product, extent) => product * extent, 1);
  // The outputs of two files need not be in the same order: told apart by how many values they have.
  const names = outputShapes.map((wanted) => {
    const found = session.outputMetadata.find(({ shape }) => size(shape) === size(wanted));
    if (!found) throw new Error(`no output has ${size(wanted)} values`);
    return found.name;
  });
  const results = outputShapes.map((shape) => new Type(size(shape)));
  const tensors = {};
  names.forEach((output, i) => {
    tensors[output] = new ort.Tensor(type, results[i], outputShapes[i]);
  });
  return {
    prepare(x) {
      const data = dtype === 'i8' ? Uint8Array.from(x, (q) => q + 128) : x;
      return { [inputName]: new ort.Tensor(type, data, inputShape) };
    },
    /** Outputs are written to `results` where the build takes arrays for them, else copied there. */
    run: options.writesInto
      ? (feeds) => session.run(feeds, tensors)
      : async (feeds) => {
          const outputs = await session.run(feeds);
          for (let i = 0; i < names.length; i++) results[i].set(outputs[names[i]].data);
        },
    outputs: () => (dtype === 'i8' ? results.map((data) => Int8Array.from(data, (q) => q - 128)) : results),
  };
}
