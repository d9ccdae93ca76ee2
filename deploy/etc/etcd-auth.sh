#!/bin/sh
# Has etcd ask who calls: each service, known by the common name of its certificate, reaches its own part of what is under --etcd-prefix and nothing
# else. Run it once, on a machine with the certificate of root; run again it says what is there already. The endpoints and files are etcdctl's own
# variables:
#
#   ETCDCTL_ENDPOINTS=https://cp-1:2379 ETCDCTL_CACERT=etcd-ca.crt ETCDCTL_CERT=etcd-client-root.crt ETCDCTL_KEY=etcd-client-root.key sh etcd-auth.sh
#
# With another --etcd-prefix give it as the argument. A second argument is what the names of this installation's users begin with, so that another
# installation in the same etcd has users of its own: etcd-auth.sh /silverback-eu/v1/ eu- makes eu-registry, eu-translator and eu-distributor.
set -u
prefix=${1:-/silverback/v1/}
users=${2:-}
case $prefix in
/*/ | /) ;;
*)
	echo "etcd-auth.sh: $prefix: a prefix begins and ends with /, such as /silverback/v1/" >&2
	exit 2
	;;
esac

etcdctl user add root --no-password
etcdctl user grant-role root root

for service in registry translator distributor; do
	etcdctl role add "silverback-$users$service"
	etcdctl user add "$users$service" --no-password
	etcdctl user grant-role "$users$service" "silverback-$users$service"
done

etcdctl role grant-permission "silverback-${users}registry" --prefix=true readwrite "${prefix}identity/"
etcdctl role grant-permission "silverback-${users}translator" --prefix=true readwrite "${prefix}desired/"
etcdctl role grant-permission "silverback-${users}translator" --prefix=true readwrite "${prefix}content/"
etcdctl role grant-permission "silverback-${users}distributor" --prefix=true read "${prefix}content/"
etcdctl role grant-permission "silverback-${users}distributor" --prefix=true readwrite "${prefix}decided/"
etcdctl role grant-permission "silverback-${users}distributor" --prefix=true readwrite "${prefix}observed/"
etcdctl role grant-permission "silverback-${users}distributor" --prefix=true readwrite "${prefix}election/"

etcdctl auth enable
