package k8s_test
import (
 _ "github.com/silverback-gateway/silverback/testkit/shared"
 _ "github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
 _ "go.etcd.io/etcd/server/v3/embed"
 _ "k8s.io/client-go/dynamic"
 _ "k8s.io/client-go/restmapper"
 _ "k8s.io/client-go/tools/clientcmd"
)
