// Command pause is what a gateway and its agent have in common where there are no pods. It holds the network namespace that the two
// share, so that either may restart and still meet the other on loopback. With -seed FILE it writes the empty configuration
// that a first start of Kong needs (fact F30) wherever there is none yet, and exits. With -password FILE it makes
// up a password there, once.
package main

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
)

// empty is a configuration without entities, under which a gateway starts and is not ready (fact F5).
const empty = "{\"_format_version\":\"3.0\"}\n"

func main() {
	var seeds []string
	flag.Func("seed", "boot file to write when it is absent; may be given several times, and then nothing is held", func(name string) error {
		seeds = append(seeds, name)
		return nil
	})
	secret := flag.String("password", "", "file to write a random password to when it is absent; then nothing is held")
	flag.Parse()
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
	}
	for _, name := range seeds {
		must(seed(name))
	}
	if *secret != "" {
		must(password(*secret))
	}
	if len(seeds) == 0 && *secret == "" {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
		<-stop
	}
}

// seed leaves a file that is there as it is: it is the last known good.
func seed(name string) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if errors.Is(err, fs.ErrExist) {
		fmt.Println(name, "is there already")
		return nil
	}
	if err != nil {
		return fmt.Errorf("write the first boot file: %w", err)
	}
	if _, err = file.WriteString(empty); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write the first boot file: %w", err)
	}
	fmt.Println(name, "written, without entities")
	return nil
}

// password leaves a file that is there as it is: somebody was told what it holds. Who reads the file sees all of it or none: part of one
// would be no secret. Its group reads it, for who is asked for the password runs as another user.
func password(name string) error {
	if _, err := os.Lstat(name); err == nil {
		fmt.Println(name, "is there already")
		return nil
	}
	tmp := name + ".tmp"
	err := os.WriteFile(tmp, []byte(rand.Text()+"\n"), 0o640)
	if err == nil {
		err = os.Chmod(tmp, 0o640) // whatever the umask is
	}
	if err == nil {
		err = os.Rename(tmp, name)
	}
	if err != nil {
		return fmt.Errorf("make a password: %w", err)
	}
	fmt.Println(name, "written, with a random password")
	return nil
}
