// Two requests with a second between them: go run trial.go METHOD URL.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

func send(method, url string) {
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader("ten won")
	}
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		log.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		log.Fatal(err)
	}
}

func main() {
	method, url := os.Args[1], os.Args[2]
	send(method, url+"/first")
	time.Sleep(time.Second)
	send(method, url+"/second")
}
