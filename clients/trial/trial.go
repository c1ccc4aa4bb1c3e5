// Requests in runs with a pause between them: go run trial.go; README.md has the environment.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// setting reads a number from the environment.
func setting(name string, usual float64) float64 {
	text, there := os.LookupEnv(name)
	if !there {
		return usual
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	return number
}

func send(method, url string) (int, error) {
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader("ten won")
	}
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

func main() {
	method, url := os.Getenv("HALFOPEN_METHOD"), os.Getenv("HALFOPEN_URL")
	pause := time.Duration(setting("HALFOPEN_PAUSE_S", 1) * float64(time.Second))
	runs, requests := int(setting("HALFOPEN_RUNS", 2)), int(setting("HALFOPEN_REQUESTS", 1))
	failed := 0
	for run := 0; run < runs; run++ {
		if run > 0 {
			time.Sleep(pause)
		}
		for request := 0; request < requests; request++ {
			if status, err := send(method, url); err != nil {
				failed = 1
				fmt.Println(err)
			} else {
				fmt.Println(status)
			}
		}
	}
	os.Exit(failed)
}
