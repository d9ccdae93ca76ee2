package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/silverback-gateway/silverback/client"
)

func main() {
	ctx, group, file := context.Background(), os.Args[1], os.Args[2]
	at := func(service string) []string { return strings.Split(os.Getenv("SILVERBACK_"+service), ",") }
	c, err := client.Dial(client.Config{Registry: at("REGISTRY"), Translator: at("TRANSLATOR"), Distributor: at("DISTRIBUTOR")})
	check(err)
	defer c.Close()

	content, err := os.ReadFile(file)
	check(err)
	answer, err := c.Submit(ctx, &client.SubmitRequest{Group: group, Documents: []*client.Document{{Name: file, Content: content}}})
	check(err)
	_, err = c.Wait(ctx, answer.GetRevision(), client.WaitOptions{Progress: show})
	check(err)
	for rollout, err := range c.WatchRollouts(ctx, group) {
		check(err)
		if show(rollout); client.Ended(rollout) {
			break
		}
	}
}

func show(r *client.Rollout) {
	n := r.GetProgress()
	fmt.Printf("revision %d: %s, %d of %d\n", r.GetCandidateRevision(), r.GetState(), n.GetServing(), n.GetOnline())
}

// check ends the program with every problem of a refused file, or with another error.
func check(err error) {
	var refused *client.Error
	if errors.As(err, &refused) {
		for _, p := range refused.Problems {
			fmt.Printf("%s:%d: %s %q: %s: %s\n", p.GetDocument(), p.GetLine(), p.GetKind(), p.GetName(), p.GetField(), p.GetMessage())
		}
		log.Fatal(refused.Service, " answers ", refused.Code, " ", refused.Reason, ": ", refused.Message)
	} else if err != nil {
		log.Fatal(err)
	}
}
