import { z } from "zod";
import { preprocess as schema } from "../config/schemas/preprocess.ts";
import { DATASET_IMPLS } from "../data/indexed_dataset.ts";
import { preprocess as run } from "../data/preprocess.ts";
import { command } from "./command.ts";

// fairseq writes further formats, and takes 0 for a dictionary that is not padded.
const config = schema.extend({
  dataset_impl: z
    .enum(DATASET_IMPLS)
    .default("mmap")
    .describe("format to write; cached and lazy are fairseq's older one"),
  padding_factor: z
    .int()
    .min(0)
    .default(8)
    .describe("pad the dictionary's size to a multiple of this (0 or 1: not at all)"),
});

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
