package gate

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestStudentMatchesTables(t *testing.T) {
	for _, tt := range []struct{ p, freedom, want float64 }{
		{0.975, 10, 2.228}, {0.995, 10, 3.169}, {0.9995, 10, 4.587}, {0.9999, 10, 5.694}, {0.9999, 20, 4.539}, {0.9995, 30, 3.646},
		{0.9999, 1e6, 3.719}, {0.9, 12, 1.356},
	} {
		if got := student(tt.p, tt.freedom); math.Abs(got-tt.want) > 0.005*tt.want {
			t.Errorf("student(%v, %v) = %.3f, want %.3f", tt.p, tt.freedom, got, tt.want)
		}
	}
}

// Looked at after every request, a test of level 5 % is wrong in at most 5 % of the series. A test for one look would be wrong in a third.
func TestBoundsHoldAtAllLooks(t *testing.T) {
	const alpha, series, length = 0.05, 400, 400
	r := rand.New(rand.NewPCG(1, 1))
	for _, mean := range []float64{0.01, 0.2, 0.9} {
		over, under := 0, 0
		for range series {
			isOver, isUnder, x := false, false, 0.0
			for n := 1.0; n <= length; n++ {
				if r.Float64() < mean {
					x++
				}
				isOver = isOver || exceeds(x, n, mean, alpha)
				isUnder = isUnder || fallsShort(x, n, mean, alpha)
			}
			if isOver {
				over++
			}
			if isUnder {
				under++
			}
		}
		if over > alpha*series || under > alpha*series {
			t.Errorf("mean %v: %d series exceeded it and %d fell short of it, of %d; want %v at most", mean, over, under, series, alpha*series)
		}
		if over == 0 && under == 0 {
			t.Errorf("mean %v: no series of %d exceeded it or fell short of it: the bounds are too wide", mean, series)
		}
	}
}

func TestUpperIsTightWithMuchEvidence(t *testing.T) {
	if got := upper(0, 0, 0.001); got != 1 {
		t.Errorf("nothing known: got %v, want 1", got)
	}
	if got := upper(500, 50000, 0.001); got < 0.01 || got > 0.0125 {
		t.Errorf("1 %% of 50,000: got %v, want a little over 0.01", got)
	}
	if got := upper(10, 10, 0.001); got != 1 {
		t.Errorf("all of 10: got %v, want 1", got)
	}
}
