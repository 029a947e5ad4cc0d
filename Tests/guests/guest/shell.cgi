#!/bin/sh
# Runs the body as a shell script: a way into the guest that needs no agent.
printf 'Content-Type: text/plain\r\n\r\n'
script=$(head -c "$CONTENT_LENGTH")
cd /
sh -c "$script" 2>&1
printf '\nexit %d\n' $?
