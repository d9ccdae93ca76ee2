#!/bin/sh
# Has etcd ask who calls: each service, known by the common name of its certificate, reaches its own part of /silverback/v1/ and nothing else. Run it
# once, on a machine with the certificate of root; run again it says what is there already. The endpoints and files are etcdctl's own variables:
#
#   ETCDCTL_ENDPOINTS=https://cp-1:2379 ETCDCTL_CACERT=etcd-ca.crt ETCDCTL_CERT=etcd-client-root.crt ETCDCTL_KEY=etcd-client-root.key sh etcd-auth.sh
set -u

etcdctl user add root --no-password
etcdctl user grant-role root root

for service in registry translator distributor; do
	etcdctl role add silverback-$service
	etcdctl user add $service --no-password
	etcdctl user grant-role $service silverback-$service
done

etcdctl role grant-permission silverback-registry --prefix=true readwrite /silverback/v1/identity/
etcdctl role grant-permission silverback-translator --prefix=true readwrite /silverback/v1/desired/
etcdctl role grant-permission silverback-translator --prefix=true readwrite /silverback/v1/content/
etcdctl role grant-permission silverback-distributor --prefix=true read /silverback/v1/content/
etcdctl role grant-permission silverback-distributor --prefix=true readwrite /silverback/v1/decided/
etcdctl role grant-permission silverback-distributor --prefix=true readwrite /silverback/v1/observed/
etcdctl role grant-permission silverback-distributor --prefix=true readwrite /silverback/v1/election/

etcdctl auth enable
