package apiserver

import (
	"os"
	"path/filepath"
	"testing"

	authentication "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Namespace is where deploy/k8s puts everything.
const Namespace = "silverback"

// AsAccount applies files of deploy/k8s/kubernetes-source, which make a service account and say what it may do. It returns how a Pod of
// that account reaches the server: with a token of its own.
func (s *Server) AsAccount(tb testing.TB, account string, files ...string) *rest.Config {
	tb.Helper()
	root, err := root()
	if err != nil {
		tb.Fatal(err)
	}
	manifests := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + Namespace + "}\n"
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(root, "deploy", "k8s", "kubernetes-source", file))
		if err != nil {
			tb.Fatal(err)
		}
		manifests += "---\n" + string(text)
	}
	if err := ApplyIn(tb.Context(), s.Config(), Namespace, []byte(manifests)); err != nil {
		tb.Fatal(err)
	}
	admin, err := kubernetes.NewForConfig(s.Config())
	if err != nil {
		tb.Fatal(err)
	}
	token, err := admin.CoreV1().ServiceAccounts(Namespace).CreateToken(tb.Context(), account, &authentication.TokenRequest{},
		metav1.CreateOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	c := rest.AnonymousClientConfig(s.Config())
	c.BearerToken = token.Status.Token
	return c
}
