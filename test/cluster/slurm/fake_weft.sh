#!/bin/sh
# Stands for weft in the test of the recipe: says which task it is, and writes down what Slurm has told it.
# It ends as the file NAME.RANK.TURN in $PLANS says, with an exit code or by a signal.
turn=$((${SLURM_RESTART_COUNT:-0} + 1))
env -0 >"$PLANS/environment.$SLURM_PROCID.$turn"
echo "task $SLURM_PROCID of turn $turn: $*"
plan=$PLANS/exit.$SLURM_PROCID.$turn
[ ! -e "$plan" ] || exit "$(cat "$plan")"
