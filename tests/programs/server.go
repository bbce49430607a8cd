// An HTTP server and clients of it in one program, and programs that it starts.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
)

func get(url string) string {
	response, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return fmt.Sprint(response.StatusCode, " ", string(body))
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d", r.Method, r.URL.Path, len(body))
	})
	go http.Serve(listener, nil)
	url := "http://" + listener.Addr().String()
	fmt.Println(get(url + "/first"))
	response, err := http.Post(url+"/large", "text/plain", strings.NewReader(strings.Repeat("x", 1<<20)))
	if err == nil {
		body, _ := io.ReadAll(response.Body)
		fmt.Println(string(body))
	}
	var wait sync.WaitGroup
	results := make([]string, 20)
	for i := range results {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			results[i] = get(fmt.Sprintf("%s/%d", url, i))
		}(i)
	}
	wait.Wait()
	fmt.Println(results)
	out, err := exec.Command("sh", "-c", "echo from a shell; exit 3").Output()
	fmt.Printf("%q %v\n", out, err)
	cat := exec.Command("cat")
	cat.Stdin = strings.NewReader("through cat")
	out, err = cat.CombinedOutput()
	fmt.Printf("%q %v\n", out, err)
	_, err = exec.Command("/nowhere").Output()
	fmt.Println(err)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	exec.Command("kill", "-USR1", fmt.Sprint(os.Getpid())).Run()
	fmt.Println(<-signals)
	_, err = net.Dial("tcp", "127.0.0.1:1")
	fmt.Println(err)
}
