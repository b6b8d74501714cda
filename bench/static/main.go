// Command static is what runc runs in benchmarks: `serve` answers every request with a line, `sleep MILLISECONDS`
// does nothing for so long. It does nothing else.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
)

const address = ":8080"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		handler := func(answer http.ResponseWriter, _ *http.Request) { io.WriteString(answer, "Hello from runc!\n") }
		log.Fatal(http.ListenAndServe(address, http.HandlerFunc(handler)))
	}
	if len(os.Args) == 3 && os.Args[1] == "sleep" {
		millis, err := strconv.Atoi(os.Args[2])
		if err != nil {
			log.Fatal(err)
		}
		time.Sleep(time.Duration(millis) * time.Millisecond)
		return
	}
	log.Fatal("usage: static serve | static sleep MILLISECONDS")
}
