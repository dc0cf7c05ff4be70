"What lessons import from elsewhere, loaded once: processes that fork from one that has it (`forkserver`) begin where their own work begins. Nothing of the course is here, nothing is drawn, no thread is started."
import time

_began = time.perf_counter(), time.process_time()
import matplotlib.pyplot, numpy, PIL.Image, torch # noqa: F401
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline # noqa: F401
from transformers import CLIPTextModel, CLIPTokenizer # noqa: F401
SECONDS, CPU = time.perf_counter() - _began[0], time.process_time() - _began[1] # what a process of one's own would have taken
