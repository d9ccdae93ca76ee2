package client_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/silverback-gateway/silverback/client"
)

// The example submits a file and waits until every gateway of the group serves it.
func Example() {
	address, stop := serve(&fleet{})
	defer stop()

	c, err := client.Dial(client.Config{Translator: []string{address}, Distributor: []string{address}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	ctx := context.Background()
	documents := []*client.Document{{Name: "kong.yaml", Content: []byte("services: []")}}
	answer, err := c.Submit(ctx, &client.SubmitRequest{Group: "edge", Documents: documents})
	if err != nil {
		fmt.Println(err)
		return
	}
	rollout, err := c.Wait(ctx, answer.GetRevision(), client.WaitOptions{
		Progress: func(r *client.Rollout) {
			fmt.Printf("%d of %d serve\n", r.GetProgress().GetServing(), r.GetProgress().GetOnline())
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("revision", rollout.GetCandidateRevision(), rollout.GetState())
	// Output:
	// 1 of 3 serve
	// 3 of 3 serve
	// revision 7 STATE_COMPLETED
}

// The example prints the problems of a refused file.
func ExampleError() {
	address, stop := serve(&fleet{})
	defer stop()

	c, err := client.Dial(client.Config{Translator: []string{address}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	documents := []*client.Document{{Name: "kong.yaml", Content: []byte("bad")}}
	_, err = c.Submit(context.Background(), &client.SubmitRequest{Group: "edge", Documents: documents})
	var refused *client.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Reason)
		for _, p := range refused.Problems {
			fmt.Printf("%s:%d: %s %s: %s: %s\n", p.GetDocument(), p.GetLine(), p.GetKind(), p.GetName(), p.GetField(), p.GetMessage())
		}
	}
	// Output:
	// INVALID_CONFIG
	// kong.yaml:14: route orders: paths[0]: invalid regex
}

// The example watches the newest rollout of a group until it ends.
func ExampleClient_WatchRollouts() {
	address, stop := serve(&fleet{})
	defer stop()

	c, err := client.Dial(client.Config{Distributor: []string{address}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for rollout, err := range c.WatchRollouts(context.Background(), "edge") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(rollout.GetState())
		if client.Ended(rollout) {
			break
		}
	}
	// Output:
	// STATE_PROGRESSING
	// STATE_COMPLETED
}
