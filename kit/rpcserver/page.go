package rpcserver

const (
	defaultPage = 100
	largestPage = 1000
)

// PageSize returns how many items a page of a list has: what the request asks for, at most 1000, or 100 when it asks for none.
func PageSize(requested int32) int {
	if requested <= 0 {
		return defaultPage
	}
	return min(int(requested), largestPage)
}
