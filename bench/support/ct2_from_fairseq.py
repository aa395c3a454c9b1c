"""CTranslate2's converter for fairseq's checkpoints. PyTorch refuses the configuration objects in them unless
it is told that the file is trusted; these are files of one's own. Same arguments as ct2-fairseq-converter."""
import torch
from ctranslate2.converters import fairseq

restricted = torch.load


def trusting(*args, **options):
    options["weights_only"] = False
    return restricted(*args, **options)


torch.load = trusting
fairseq.main()
