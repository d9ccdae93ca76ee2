// Package chaos kills and freezes real processes at bad moments, and judges what the fleet made of it. Its promises: nothing that was
// acknowledged is lost, an apply that waits ends well, a deposed leader decides nothing, and no gateway is ever empty.
//
// What is killed when is drawn from a seed, which every run prints: SEED=… draws the same again, as far as processes can be made to do the
// same again. CHAOS_ROUNDS=n goes through all replicas and moments n times, CHAOS_SEEDS=n plays
// n seeds. README.md says what is played, and what it found.
package chaos
