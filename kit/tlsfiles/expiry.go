package tlsfiles

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Expiry returns a collector of the expiry times of the certificates in PEM files: of several in one file, the first to expire. Files are
// read when metrics are collected. A file that cannot be read has no sample. Names may be empty or repeated.
func Expiry(files ...string) prometheus.Collector {
	slices.Sort(files)
	files = slices.DeleteFunc(slices.Compact(files), func(f string) bool { return f == "" })
	return expiry{files: files, desc: prometheus.NewDesc("silverback_certificate_expiry_timestamp_seconds",
		"Expiry time of the first certificate to expire in a PEM file that this process uses, in seconds since 1970.", []string{"file"}, nil)}
}

type expiry struct {
	files []string
	desc  *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (e expiry) Describe(to chan<- *prometheus.Desc) { to <- e.desc }

// Collect implements prometheus.Collector.
func (e expiry) Collect(to chan<- prometheus.Metric) {
	for _, file := range e.files {
		if at, ok := firstExpiry(file); ok {
			to <- prometheus.MustNewConstMetric(e.desc, prometheus.GaugeValue, float64(at.Unix()), file)
		}
	}
}

func firstExpiry(file string) (first time.Time, found bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return first, false
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err == nil && (!found || cert.NotAfter.Before(first)) {
			first, found = cert.NotAfter, true
		}
	}
	return first, found
}
