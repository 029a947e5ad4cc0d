#!/usr/bin/env bash
# In namespaces of its own: the examples name hosts, ports and folders that this machine has otherwise.
exec unshare --mount --net -- "${PYTHON:-python3}" "$(dirname "${BASH_SOURCE[0]}")/examples.py" "$@"
