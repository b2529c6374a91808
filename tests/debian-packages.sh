#!/bin/sh
# See that Debian packages are installed: tests/debian-packages.sh PACKAGE...
#
# Says nothing when all are there. Else installs them when run as root, and when not stops with the line to run.
set -eu

missing=
for package in "$@"; do
    # "installed" alone is not enough: a removed package whose settings stayed is known to dpkg as well.
    case $(dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null || true) in
        *' ok installed') ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "These Debian packages are missing, and this system has no apt-get; install what corresponds to them:$missing" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "The tests need Debian packages that are missing here. Install them with:" >&2
    echo "    sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

echo "Installing Debian packages:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
# Word splitting is meant: one argument a package.
# shellcheck disable=SC2086
apt-get install --quiet=2 --yes --no-install-recommends $missing
