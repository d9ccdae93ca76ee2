// Package observability holds what deploy/observability tells operators to what the processes tell: dashboards and alert
// rules name metrics that exist, every rule has a case in which it fires and one in which it is silent, and a fleet at work
// fills the dashboards. The rules are judged by Prometheus's own engine.
package observability
