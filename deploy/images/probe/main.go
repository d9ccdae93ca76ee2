// Command probe asks a URL on this machine and exits with 0 when the answer is 200. Images without a shell have no other way to say how
// their process is.
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

const patience = 3 * time.Second

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: probe http://127.0.0.1:PORT/PATH")
		os.Exit(2)
	}
	status, err := ask(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
	fmt.Println(status)
	if fields := strings.Fields(status); len(fields) < 2 || fields[1] != "200" {
		os.Exit(1)
	}
}

// ask returns the status line. It speaks HTTP/1.0 by hand: net/http would make every image five megabytes larger.
func ask(text string) (string, error) {
	target, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("read the URL: %w", err)
	}
	if target.Scheme != "http" || target.Port() == "" {
		return "", fmt.Errorf("%s: want http://host:port/path", text)
	}
	conn, err := net.DialTimeout("tcp", target.Host, patience)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", target.RequestURI(), target.Host); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}
