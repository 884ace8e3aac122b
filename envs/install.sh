#!/bin/sh
# Makes a virtual environment with the pinned packages and prunescope itself.
#   sh envs/install.sh PYTHON FOLDER [cpu|cuda|rocmN.M]
# rocmN.M: PyTorch's builds for AMD GPUs; which releases N.M it builds for is on pytorch.org/get-started.
set -eu

python=$1
folder=$2
variant=${3:-cpu}
here=$(cd "$(dirname "$0")" && pwd)
torch=$(sed -n 's/^torch==//p' "$here/torch.txt")
vision=$(sed -n 's/^torchvision==//p' "$here/torch.txt")

"$python" - <<'CHECK' || exit 1
import sys
if sys.version_info < (3, 11):
    sys.exit(f"prunescope needs Python 3.11 or later, not {sys.version.split()[0]}; "
             "name one with `make PYTHON=python3.12 ...`")
CHECK

case $variant in
    cpu | cuda | rocm[0-9]*.[0-9]*) ;;
    *)
        echo "prunescope: VARIANT=$variant: must be cpu, cuda or rocm with its release, for example rocm7.1" >&2
        exit 2
        ;;
esac

echo "prunescope: installing into $folder (a few minutes the first time)"
"$python" -m venv "$folder" 2>/dev/null || {
    echo "prunescope: $python cannot make virtual environments; on Debian: apt install python3-venv" >&2
    exit 1
}
# --use-pep517: older releases of pip (Debian 12) otherwise build source packages with what setuptools fetches by itself.
pip="$folder/bin/python -m pip --disable-pip-version-check install -qq --use-pep517"

if [ "$variant" = cuda ]; then
    $pip "torch==$torch"
    $pip --no-deps "torchvision==$vision"
elif [ "$variant" != cpu ]; then
    # Builds for AMD GPUs are on PyTorch's own index alone. What they need beside it (Triton for ROCm) is there too.
    $pip --index-url "https://download.pytorch.org/whl/$variant" "torch==$torch"
    $pip --index-url "https://download.pytorch.org/whl/$variant" --no-deps "torchvision==$vision"
else
    # The CPU build is a tenth of the size. Where no index in use has it, PyTorch's own does; where
    # that cannot be reached either, the package index's build works on CPUs as well.
    $pip "torch==$torch+cpu" 2>/dev/null ||
        $pip --retries 1 --timeout 20 --index-url https://download.pytorch.org/whl/cpu "torch==$torch" 2>/dev/null ||
        $pip "torch==$torch"
    # The same for torchvision. Its CUDA build's compiled operators do not load beside a CPU build of
    # PyTorch; prunescope uses none of them and sees to the import (vision.py). Its requirements are in
    # requirements.lock.
    $pip --no-deps "torchvision==$vision+cpu" 2>/dev/null ||
        $pip --no-deps --retries 1 --timeout 20 --index-url https://download.pytorch.org/whl/cpu \
            "torchvision==$vision" 2>/dev/null ||
        $pip --no-deps "torchvision==$vision"
fi
# Complete, and so without a look at what its packages ask for.
$pip --no-deps --require-hashes -r "$here/requirements.lock"
$pip --no-deps --no-build-isolation -e "$here/.."
