/** The network files of the test data that vireo runs, by their paths there. */

/** Without the audio preprocessors, which are refused for their custom operators. */
export function networkFiles(): readonly string[] {
  return [
    'mlperf-tiny/ad/ad01_fp32.tflite',
    'mlperf-tiny/ad/ad01_int8.tflite',
    'mlperf-tiny/ic/pretrainedResnet.tflite',
    'mlperf-tiny/ic/pretrainedResnet_quant.tflite',
    'mlperf-tiny/kws/kws_ref_model.tflite',
    'mlperf-tiny/kws/kws_ref_model_float32.tflite',
    'mlperf-tiny/sww/str_ww_ref_model.tflite',
    'mlperf-tiny/vww/vww_96_float.tflite',
    'mlperf-tiny/vww/vww_96_int8.tflite',
    'models/tflite/deeplabv3_mnv2_dm05_pascal_quant.tflite',
    'models/tflite/hello_world_float.tflite',
    'models/tflite/hello_world_int8.tflite',
    'models/tflite/micro_speech_quantized.tflite',
    'models/tflite/mobilenet_v1_0.25_128_quant.tflite',
    'models/tflite/mobilenet_v1_0.75_192_quant.tflite',
    'models/tflite/mobilenet_v2_1.0_224_quant.tflite',
    'models/tflite/mobilenet_v2_quantized_1x3x224x224.tflite',
    'models/tflite/person_detect.tflite',
    'models/tflite/version-slim-320_without_postprocessing.tflite',
    'models/tflite/yamnet.tflite',
  ];
}

export function refusedFiles(): readonly string[] {
  return ['models/tflite/audio_preprocessor_float.tflite', 'models/tflite/audio_preprocessor_int8.tflite'];
}
