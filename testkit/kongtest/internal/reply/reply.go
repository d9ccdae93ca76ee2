// Package reply writes answers in Kong's and nginx's form.
package reply

import (
	"fmt"
	"net/http"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
)

// Write answers with a body of any type.
func Write(w http.ResponseWriter, status int, body []byte) {
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// JSON answers with a value that document.Marshal takes.
func JSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	Write(w, status, document.Marshal(body))
}

// Message is the body of a short answer.
func Message(text string) map[string]any { return map[string]any{"message": text} }

// HTML answers as nginx does without asking Kong's Lua.
func HTML(w http.ResponseWriter, status int) {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	Write(w, status, []byte("<html>\r\n<head><title>"+title+"</title></head>\r\n<body>\r\n<center><h1>"+title+
		"</h1></center>\r\n</body>\r\n</html>\r\n"))
}

// HangUp ends the connection without an answer.
func HangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // a stream of HTTP/2 has no connection of its own
	}
	_ = conn.Close()
}
