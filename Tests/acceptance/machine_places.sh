#!/usr/bin/env bash
exec "${PYTHON:-python3}" "$(dirname "${BASH_SOURCE[0]}")/machine_places.py" "$@"
