#!/bin/sh
# Everything that only a GPU can tell, most important first, in at most nine minutes of one, without network.
#   sh benchmarks/gpu.sh [FOLDER]           what is measured goes there (default: benchmarks/results/gpu)
#   DEVICE=cpu sh benchmarks/gpu.sh FOLDER  a rehearsal: the same steps on a CPU, in sizes that a busy one finishes
#   sh benchmarks/gpu.sh --lacks            the packages that this Python lacks, one a line, as `pip download` takes them
# MINUTES: the limit of all steps (9; a rehearsal: 14). PYTHON: which one (python3). PRUNESCOPE_DATA: a folder with fashion_mnist,
# reuters21578 and glove_6b_50d_subset for the study; without it the study is left out. WHEELS: a folder of packages
# that are installed first, where the machine lacks some: on one with network and the same version of Python,
#   sh benchmarks/gpu.sh --lacks | xargs pip download --no-deps --only-binary :all: -d wheels
# Each step has its own limit, its log, its JSON and a line in steps.jsonl, so that a run that is cut still counts;
# FOLDER.tgz has all of it after each step.
set -u
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python3} device=${DEVICE:-cuda} here=$PWD
export PYTHONPATH="$here/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1

if [ "${1-}" = --lacks ]; then
    exec "$python" - envs/requirements.lock <<'P'
import importlib.metadata, re, sys
# What the studies and the tests on a GPU need; the rest of the lock is for lint, types and browsers.
unused = "axe-core-python|black|jupyter-core|librt|mypy|nbformat|pandas-stubs|pytokens|ruff|selenium|shfmt-py|snakefmt"
for line in open(sys.argv[1], encoding="utf-8"):
    found = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", line)
    if found and not re.fullmatch(unused, found[1]):
        try:
            importlib.metadata.version(found[1])
        except importlib.metadata.PackageNotFoundError:
            print(f"{found[1]}=={found[2]}")
P
fi

out=${1:-benchmarks/results/gpu}
mkdir -p "$out/log" || exit 1
out=$(cd "$out" && pwd)
end=$(($(date +%s) + 60 * ${MINUTES:-9}))
failed=0
: >"$out/steps.jsonl"
if [ -n "${WHEELS:-}" ]; then
    "$python" -m pip install -q --no-index --no-deps --no-compile --target "$out/../gpu-site" "$WHEELS"/*.whl || exit 1
    PYTHONPATH="$PYTHONPATH:$(cd "$out/../gpu-site" && pwd)"
fi
# Of a rehearsal: few replicas, batches and networks, each measured as briefly as can be; and a step may take longer.
if [ "$device" = cuda ]; then seconds=0.5 counts="1 30" few="" small="" longer=1
else seconds=0.01 counts="1 2" few="--batches 1" small="--archs bilstm lenet5" longer=2; fi

# step NAME SECONDS COMMAND...: within its limit and what is left of all minutes.
step() {
    name=$1 limit=$((longer * $2)) began=$(date +%s)
    shift 2
    [ "$((end - began))" -lt "$limit" ] && limit=$((end - began))
    if [ "$limit" -lt 5 ]; then
        code=-1
    else
        timeout -k 5 "$limit" "$@" >"$out/log/$name.txt" 2>&1
        code=$?
    fi
    took=$(($(date +%s) - began))
    case $code in
        0) said="done" ;;
        -1) said="not run: no time left" ;;
        124 | 137) said="stopped after $limit s" ;;
        *) said="exit $code, see log/$name.txt" ;;
    esac
    [ "$code" -eq 0 ] || failed=1
    echo "{\"step\": \"$name\", \"code\": $code, \"seconds\": $took, \"limit\": $limit}" >>"$out/steps.jsonl"
    echo "$name: $said ($took s)"
    pack
}

pack() { tar -czf "$out.tgz" -C "$(dirname "$out")" "$(basename "$out")"; }

bench() { # NAME SECONDS BENCHMARK ARGUMENTS...: one that writes NAME.json
    name=$1 limit=$2 script=$3
    shift 3
    step "$name" "$limit" "$python" "benchmarks/$script.py" --device "$device" --out "$out/$name.json" "$@"
}

# study: two real cells, from data to tables, as a user runs them; a small part of them in a rehearsal.
study() {
    mkdir -p "$out/bin" "$out/tables"
    printf '#!/bin/sh\nexec "%s" -m prunescope "$@"\n' "$python" >"$out/bin/prunescope"
    chmod +x "$out/bin/prunescope"
    quick="" results=results/gpu
    [ "$device" = cuda ] || { quick=--quick && results=results/gpu-quick; }
    step study 150 env PATH="$out/bin:$PATH" prunescope run --configfile benchmarks/gpu.yaml $quick -- \
        --cores "$(nproc)" --until tables
    cp $results/tables/effectiveness.csv $results/tables/pie_share.csv "$out/tables/" 2>/dev/null
    find $results/models -name metrics.json -exec cat {} + >"$out/tables/metrics.txt" 2>/dev/null
    rm -rf "$out/bin"
    pack
}

step machine 60 "$python" -c '
import json, platform, sys, torch
cuda = torch.cuda.is_available()
print(json.dumps({
    "gpu": torch.cuda.get_device_name() if cuda else None,
    "memory": torch.cuda.get_device_properties(0).total_memory if cuda else None,
    "torch": torch.__version__, "cuda": torch.version.cuda, "python": platform.python_version(),
}))
sys.exit(0 if cuda or sys.argv[1] == "cpu" else "no GPU is visible")' "$device"
step tests 150 "$python" -m pytest -q -p no:cacheprovider tests/gpu
if [ "$device" = cuda ]; then lenet="lenet5 on MNIST" bilstm="bilstm on SNLI" resnet="resnet20"
else lenet="lenet5 on digits" bilstm="small bilstm" resnet="resnet20"; fi
bench replicas-lenet5 60 replicas --only "$lenet" --counts $counts --seconds "$seconds"
bench replicas-bilstm 60 replicas --only "$bilstm" --counts $counts --seconds "$seconds"
bench encoders 90 encoders --sources snli imdb --seconds "$seconds" $few
[ -n "${PRUNESCOPE_DATA:-}" ] && study
bench rates 120 rates --seconds "$seconds" --step-operations 1e9 $small
bench replicas-resnet20 60 replicas --only "$resnet" --counts $counts --seconds "$seconds"
bench masks 40 masks --seconds "$seconds"
bench gradual 60 gradual --rounds 1
exit $failed
