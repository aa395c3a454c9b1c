"""Times CTranslate2 on sentences in word pieces: all of them in batches of 32, then the first ones singly.

  python ct2_translate.py MODEL SOURCES COUNT BEAM INTER_THREADS INTRA_THREADS COMPUTE_TYPE
"""

import json
import sys
import time

import ctranslate2

model, path, count, beam, inter, intra, compute_type = sys.argv[1:8]
lines = [line.split() for line in open(path, encoding="utf8")]
threads = dict(inter_threads=int(inter), intra_threads=int(intra))
translator = ctranslate2.Translator(model, compute_type=compute_type, **threads)
singles = lines[: int(count)]
options = dict(beam_size=int(beam), max_batch_size=32, batch_type="examples", max_decoding_length=200)
translator.translate_batch(singles, **options)
began = time.perf_counter()
said = translator.translate_batch(lines, **options)
all_time = time.perf_counter() - began
each = []
for line in singles:
    began = time.perf_counter()
    translator.translate_batch([line], **options)
    each.append(time.perf_counter() - began)
tokens = sum(len(one.hypotheses[0]) + 1 for one in said)
print(json.dumps({"all": all_time, "tokens": tokens, "single": sum(each), "each": each}))
