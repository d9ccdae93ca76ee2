package port

import (
	"net"
	"runtime"
	"testing"
)

// Two who ask before either listens must not be told the same.
func TestAnAddressIsGivenOnce(t *testing.T) {
	var address string
	t.Run("for a test", func(t *testing.T) {
		address = Address(t)
		if again := hold(address); again != nil {
			_ = again.Close()
			t.Errorf("%s was given twice", address)
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatalf("nobody can listen there: %v", err)
		}
		_ = l.Close()
	})
	again := hold(address)
	if again == nil {
		t.Fatalf("%s is held when its test is over", address)
	}
	_ = again.Close()
	forever, err := Free()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		runtime.GC() // closes what nobody holds on to
	}
	if again := hold(forever); again != nil {
		_ = again.Close()
		t.Errorf("%s was given twice", forever)
	}
}

func TestAPortInUseIsNotGiven(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if held := hold(l.Addr().String()); held != nil {
		_ = held.Close()
		t.Errorf("%s was given, where somebody listens", l.Addr())
	}
}
