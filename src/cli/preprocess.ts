import { preprocess as config } from "../config/schemas/preprocess.ts";
import { preprocess as run } from "../data/preprocess.ts";
import { command } from "./command.ts";

export const preprocess = command({
  name: "preprocess",
  summary: "build dictionaries and binarise text",
  config,
  run: (settings, terminal) =>
    run(
      {
        sourceLang: settings.source_lang,
        targetLang: settings.target_lang,
        trainpref: settings.trainpref,
        validpref: settings.validpref,
        testpref: settings.testpref,
        alignSuffix: settings.align_suffix,
        destdir: settings.destdir,
        thresholdsrc: settings.thresholdsrc,
        thresholdtgt: settings.thresholdtgt,
        srcdict: settings.srcdict,
        tgtdict: settings.tgtdict,
        nwordssrc: settings.nwordssrc,
        nwordstgt: settings.nwordstgt,
        alignfile: settings.alignfile,
        datasetImpl: settings.dataset_impl,
        joinedDictionary: settings.joined_dictionary,
        onlySource: settings.only_source,
        paddingFactor: settings.padding_factor,
        workers: settings.workers,
        dictOnly: settings.dict_only,
      },
      (line) => terminal.log(line),
    ),
});
