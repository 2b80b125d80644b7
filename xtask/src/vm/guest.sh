# Runs inside a machine as root: SHARED BINARIES FIXTURES, three folders of the host. What is written to the first stays.
#
# The host's files can be read, slowly, through 9p; what is written beside them is lost with the machine.
set -eu
shared=$1 binaries=$2 fixtures=$3
# Programs under test would inherit the console.
exec </dev/null >"$shared/output" 2>&1 3>&-

fast=/run/gizmo-vm
mkdir -p "$fast"
mount -t tmpfs none "$fast"
mkdir "$fast/tmp" "$fast/bin"
export TMPDIR="$fast/tmp" GIZMO_FIXTURES="$fast/fixtures" GIZMO_SMALL_LOOPS=1 GIZMO_HAS_TRAMPOLINES=1
cp -r "$fixtures" "$GIZMO_FIXTURES"
# Test binaries know the path of `gizmo`, so copies take the places of the originals.
while read -r path; do
	name=${path##*/}
	cp "$binaries/$name" "$fast/bin/$name"
	mount --bind "$fast/bin/$name" "$path"
done <"$shared/paths"

code=0
sh "$shared/commands" || code=$?
sync
echo "$code" >"$shared/code"
