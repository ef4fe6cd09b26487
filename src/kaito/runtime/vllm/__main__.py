"""``python3 -m kaito.runtime.vllm``; what it starts by spawning imports nothing of this file."""

import os
import sys

from kaito.runtime.vllm.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
