# shellcheck shell=bash
# Functions shared by the scripts of this folder: messages, the Swift compiler,
# packages, the release build. To be sourced.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export ROOT

say() { printf '%s\n' "$*"; }

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Looks the Swift compiler up once and sets SWIFT to its path. The OpenStack
# client of Debian's python3-swiftclient is called `swift` too and may stand first
# on PATH, so every candidate is asked what it is. The usual folders of a toolchain
# come last: a service's PATH often lacks them.
find_swift() {
    [[ -n ${SWIFT:-} ]] && return 0
    local candidate version others=""
    while IFS= read -r candidate; do
        [[ -x $candidate ]] || continue
        version=$("$candidate" --version 2>/dev/null || true)
        if [[ $version == *"Swift version 6."* ]]; then
            SWIFT=$candidate
            export SWIFT
            return 0
        fi
        others+=" $candidate"
    done < <(
        type -ap swift
        printf '%s\n' /opt/*/usr/bin/swift /usr/local/*/usr/bin/swift \
            "${HOME:-/root}/.local/share/swiftly/bin/swift"
    )
    die "no Swift 6 compiler on PATH${others:+ (not one:$others)}; install Swift 6.3 from swift.org"
}

as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "must be root, or have sudo, to run: $*"
    fi
}

package_installed() {
    [[ $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) == "install ok installed" ]]
}

# Installs those of the named Debian packages that are missing.
install_packages() {
    command -v dpkg-query >/dev/null ||
        die "this script installs Debian packages; on another system install by hand: $*"
    local package missing=()
    for package in "$@"; do
        package_installed "$package" || missing+=("$package")
    done
    ((${#missing[@]} == 0)) && return 0
    say "installing ${missing[*]}"
    forbid_services
    apt_install "${missing[@]}" >/dev/null 2>&1 || {
        # The lists may be old or absent: fetch them and try once more, aloud.
        as_root apt-get -qq update && apt_install "${missing[@]}" >/dev/null
    }
    local status=$?
    allow_services
    ((status == 0)) || die "could not install ${missing[*]}"
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=600 \
        install "$@"
}

# Packages of servers would start them; tests start servers of their own.
forbid_services() {
    forbade_services=false
    [[ -e /usr/sbin/policy-rc.d ]] && return 0
    printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null &&
        as_root chmod 755 /usr/sbin/policy-rc.d && forbade_services=true
}
allow_services() { if $forbade_services; then as_root rm -f /usr/sbin/policy-rc.d; fi; }

# shellcheck disable=SC2034  # used by the scripts that source this
BUILD_PACKAGES=(libzstd-dev libssl-dev libcurl4-openssl-dev libqrencode-dev libnbd-dev libvirt-dev
    nbdkit-plugin-dev pkg-config)

# e2fsprogs and some others live in sbin, which is not on everybody's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

# Builds for release and sets LIFEBOAT to the program's path. Build output goes to
# standard error.
build_release() {
    find_swift
    (cd "$ROOT" && "$SWIFT" build -c release) >&2 || die "the release build failed"
    LIFEBOAT=$(cd "$ROOT" && "$SWIFT" build -c release --show-bin-path)/lifeboat
    # The product and the module may differ in name; the product is what counts.
    [[ -x $LIFEBOAT ]] || die "the build left no program at $LIFEBOAT"
    export LIFEBOAT
}

# Bytes of a size such as 512MiB, 12GiB or 1073741824.
parse_size() {
    local number=${1%%[!0-9]*}
    local unit=${1#"$number"}
    [[ -n $number ]] || die "not a size: $1"
    case $unit in
        "" | B) echo "$number" ;;
        KiB | K) echo $((number << 10)) ;;
        MiB | M) echo $((number << 20)) ;;
        GiB | G) echo $((number << 30)) ;;
        TiB | T) echo $((number << 40)) ;;
        *) die "not a size: $1 (units: KiB, MiB, GiB, TiB)" ;;
    esac
}
