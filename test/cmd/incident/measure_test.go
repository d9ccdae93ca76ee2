package main

import (
	"strings"
	"testing"
	"time"
)

func TestAnIncidentIsJudgedByItsAnswers(t *testing.T) {
	began := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return began.Add(time.Duration(seconds * float64(time.Second))) }
	all := []answer{{at: at(-1), harmed: true}} // not of the incident
	for i := range 1000 {
		all = append(all, answer{at: at(float64(i) / 100), gateway: i % 20, harmed: i%20 == 3 && i >= 100 && i < 200})
	}
	o := judge(all, began, at(2), at(4))
	if o.all != 1001 || o.requests != 400 || o.harmed != 5 || o.gateways != 1 || o.evidence != 1030*time.Millisecond ||
		o.back != 1830*time.Millisecond || o.gate != 2*time.Second || o.whole != 4*time.Second {
		t.Errorf("it is judged as %+v", o)
	}
	if err := o.kept(); err != nil {
		t.Errorf("the promises are kept, and it says %v", err)
	}
	for want, broken := range map[string]func(*outcome){
		"nothing was measured":     func(o *outcome) { o.harmed = 0 },
		"reached 2 gateways":       func(o *outcome) { o.gateways = 2 },
		"after the first evidence": func(o *outcome) { o.back = o.evidence + maxBack + 1 },
		"1.10 % of all requests":   func(o *outcome) { o.harmed, o.all = 11, 1000 },
	} {
		other := o
		broken(&other)
		if err := other.kept(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: it says %v", want, err)
		}
	}
}

func TestTheFlagsOfAnIncident(t *testing.T) {
	o, err := parse([]string{"-kong", "admin=http://a,proxy=http://p,status=http://s", "-rate", "10"})
	if err != nil || len(o.kongs) != 1 || o.kongs[0].Proxy != "http://p" || o.rate != 10 || o.gateways != 20 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-kong", "admin=http://a"}, {"-kong", "x=y"}, {"-gateways", "1"}, {"-rate", "0"}, {"-for", "1s"}} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
