# Sourced: long-running processes that belong to the local cluster. Each has a start script, a log and a file with
# its pid and start time under $MORPH_STATE, so that only what was started here is ever ended. Knows no program.
# shellcheck shell=bash

RUN=$MORPH_STATE/run
LOG=$MORPH_STATE/log

# Start time of a pid in clock ticks since boot: with the pid it names one process for ever.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# pid_of NAME: its pid, or nothing and 1 when that very process is not alive.
pid_of() {
	local pid time
	[ -f "$RUN/$1.pid" ] && read -r pid time <"$RUN/$1.pid" || return 1
	[ -n "$time" ] && [ "$(start_time "$pid")" = "$time" ] && echo "$pid"
}

# launch NAME: runs the start script that `keep` wrote.
launch() {
	local name=$1 pid
	setsid "$RUN/$name" >>"$LOG/$name.log" 2>&1 </dev/null 9>&- &
	pid=$!
	echo "$pid $(start_time "$pid")" >"$RUN/$name.pid"
}

# Names of all that was ever kept.
kept() { find "$RUN" -name '*.pid' -printf '%f\n' 2>/dev/null | sed 's/\.pid$//' | sort; }

# keep NAME COMMAND...: NAME runs with exactly this command and these configuration files; restarted when they differ.
keep() {
	local name=$1 word file
	shift
	mkdir -p "$RUN" "$LOG"
	local new="#!/bin/sh
exec ${*@Q}"
	for word in "$@"; do
		file=${word#*=}
		case $file in
		"$MORPH_STATE"/config/*) new+="
# $(sha256sum "$file")" ;;
		esac
	done
	if pid_of "$name" >/dev/null && [ "$(cat "$RUN/$name" 2>/dev/null)" = "$new" ]; then return; fi
	end "$name"
	printf '%s\n' "$new" >"$RUN/$name"
	chmod 0700 "$RUN/$name"
	launch "$name"
	say "started $name (pid $(pid_of "$name"))"
}

gone() { ! pid_of "$1" >/dev/null; }

# end NAME [SIGNAL]: ends it and waits until it is gone; killed after 20 s.
end() {
	local name=$1 signal=${2:-TERM} pid tries=100
	pid=$(pid_of "$name") || return 0
	kill -s "$signal" "$pid" 2>/dev/null || true
	while [ $tries -gt 0 ] && ! gone "$name"; do
		sleep 0.2
		tries=$((tries - 1))
	done
	gone "$name" || kill -s KILL "$pid" 2>/dev/null || true
	wait_for 10 "end of $name" gone "$name"
}
