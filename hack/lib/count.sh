# Sourced by test scripts: runs checks and suites one after the other, goes on after a failure, counts, and gives the
# sum as the last line. Knows no particular test.
# shellcheck shell=bash

PASSED=0
FAILED=0
FAILURES=()

count_passed() {
	PASSED=$((PASSED + 1))
	echo "PASS $1"
}

count_failed() {
	FAILED=$((FAILED + 1))
	FAILURES+=("$1")
	echo "FAIL $1"
}

# check NAME COMMAND...: one thing that passes or fails; its output is shown when it fails.
check() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		count_passed "$name"
	else
		printf '%s\n' "$output"
		count_failed "$name"
	fi
}

# last_counts LOG: the last `N passed` and the last `N failed` of a log.
last_counts() {
	grep -oE '[0-9]+ passed' "$1" | tail -n 1 || true
	grep -oE '[0-9]+ failed' "$1" | tail -n 1 || true
}

# sum_of WORDS: the sum of the numbers before these words: a summary counts each way to fail by itself.
sum_of() { { grep -oE "[0-9]+ ($1)" || true; } | awk '{ sum += $1 } END { print sum + 0 }'; }

# suite NAME COMMAND...: many tests; the command's last `N passed` and `N failed` are added, or those of its last
# `Summary`, behind which the words of tests that failed are shown again. One that ends badly without a failed test (it
# did not build, say) counts as one failure.
suite() {
	local name=$1 log counts passed failed status=0
	shift
	log=$(mktemp)
	"$@" 2>&1 | tee "$log" || status=$?
	counts=$(grep -E '^ *Summary \[' "$log" | tail -n 1) || counts=$(last_counts "$log")
	passed=$(sum_of passed <<<"$counts")
	failed=$(sum_of 'failed|timed out|exec failed' <<<"$counts")
	rm "$log"
	if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + failed))
	[ "$failed" -eq 0 ] || FAILURES+=("$name: $failed")
	say "$name: $passed passed, $failed failed"
}

# The last line; the script's status is whether all passed.
summary() {
	local failure
	for failure in "${FAILURES[@]}"; do echo "failed: $failure"; done
	echo "$PASSED passed, $FAILED failed"
	[ "$FAILED" -eq 0 ] && [ "$PASSED" -gt 0 ]
}
