package main

const (
	distributor = "./services/distributor"
	rollouts    = distributor + "/internal/rollout"
	kubernetes  = "sources/kubernetes" // a module
	streams     = distributor + "/internal/stream"
)

// table is every mutation. Each is a promise of the design made false by one line.
var table = []mutation{
	{
		name: "a deposed leader's write is not fenced", file: "kit/etcdkv/fence.go",
		old: `cmps := append([]clientv3.Cmp{f.Compare()}, conditions...)`, new: `cmps := append([]clientv3.Cmp{}, conditions...)`,
		pkg: distributor + "/internal/store", run: "Term|Fence|Leader|Decide",
	},
	{
		name: "an assignment is overwritten unread", file: "services/distributor/internal/store/decide.go",
		old: `clientv3.Compare(clientv3.ModRevision(assignmentKey(id)), "=", was.assignedAt),`,
		new: `clientv3.Compare(clientv3.ModRevision(assignmentKey(id)), ">", was.assignedAt-1<<40),`,
		pkg: distributor + "/internal/store", run: "Decide|Conflict|Race",
	},
	{
		name: "a decision is written in an epoch that is over", file: "services/distributor/internal/store/decide.go",
		old: `clientv3.Compare(clientv3.ModRevision(epochKey), "=", was.Recovery.modRevision))`, new: `)`,
		pkg: distributor + "/...", run: "Epoch|Recover",
	},
	{
		name: "events: a reader that missed some is not told", file: "services/distributor/internal/api/watch_events.go",
		old: `if w.place < r.Trimmed {`, new: `if false {`,
		pkg: distributor, run: "TestAReaderThatWasAwayTooLongIsTold",
	},
	{
		name: "events: a slow reader is waited for", file: "services/distributor/internal/api/watch_events.go",
		old: `late := time.NewTimer(limit)`, new: `late := time.NewTimer(limit * 1000)`,
		pkg: distributor + "/internal/api", run: "TestASlowReaderIsCutAndResumes",
	},
	{
		name: "events: a watch of new ones begins anew", file: "client/events.go",
		old: `w.request.OnlyNew = false`, new: `w.request.OnlyNew = w.request.GetOnlyNew()`,
		pkg: "./client", run: "TestOnlyNewEventsAreResumedToo",
	},
	{
		name: "events: a drain is not told", file: "services/distributor/internal/store/targets.go",
		old: `if told := event.Drained(group, by, was.targets, next); len(told) > 0 {`,
		new: `if told := event.Drained(group, by, next, next); len(told) > 0 {`,
		pkg: distributor + "/internal/store", run: "TestADrainAndItsEventAreOneTransaction",
	},
	{
		name: "events: a closed window is told again and again", file: "services/distributor/internal/event/seen.go",
		old: `case w.Holds != 0 && held == 0:`, new: `case w.Holds != 0:`,
		pkg: distributor + "/internal/event", run: "TestAClosedWindowIsToldOnceAndItsOpening",
	},
	{
		name: "webhooks: a redirect is followed", file: "services/distributor/internal/webhook/request.go",
		old: `return http.ErrUseLastResponse`, new: `return nil`,
		pkg: distributor + "/internal/webhook", run: "TestWhatAnAnswerLeadsTo",
	},
	{
		name: "webhooks: the place moves before the event is taken", file: "services/distributor/internal/webhook/sender.go",
		old: `if err := l.deliver(ctx, e); err != nil {`,
		new: `if err := errors.Join(l.store(ctx, e.Sequence), l.deliver(ctx, e)); err != nil {`,
		pkg: distributor + "/internal/webhook", run: "TestTheNextLeaderGoesOn",
	},
	{
		name: "webhooks: the time is not signed", file: "services/distributor/internal/webhook/request.go",
		old: `mac.Write([]byte(second + "."))`, new: `mac.Write([]byte(""))`,
		pkg: distributor + "/internal/webhook", run: "TestEventsAreSentInOrderAndSigned",
	},
	{
		name: "webhooks: the URL is logged", file: "services/distributor/internal/webhook/request.go",
		old: `err = quotes.Err`, new: `err = quotes`,
		pkg: distributor + "/internal/webhook", run: "TestWhatAnAnswerLeadsTo",
	},
	{
		name: "webhooks: a refusal is tried again", file: "services/distributor/internal/webhook/verdict.go",
		old: `case status == 0, status >= 500,`, new: `case status == 0, status >= 400,`,
		pkg: distributor + "/internal/webhook", run: "TestJudge",
	},
	{
		name: "webhooks: deleted events are skipped in silence", file: "services/distributor/internal/webhook/sender.go",
		old: `if l.at < reading.Trimmed {`, new: `if false {`,
		pkg: distributor + "/internal/webhook", run: "TestEventsThatWereDeletedBeforeTheyWereTakenAreCounted",
	},
	{
		name: "webhooks: a replaced leader goes on", file: "services/distributor/internal/webhook/sender.go",
		old: `if ctx.Err() != nil || errors.Is(err, fault.Of(fault.StaleTerm)) {`,
		new: `if ctx.Err() != nil || errors.Is(err, fault.Of(fault.Exists)) {`,
		pkg: distributor + "/internal/webhook", run: "TestALeaderThatWasReplacedSendsNothingMore",
	},
	{
		name: "events: they are not of the decision's transaction", file: "services/distributor/internal/store/decide.go",
		old: `conditions, writes = append(conditions, free), append(writes, put)`,
		new: `if _, err := kv.Do(ctx, put); err != nil {
			return 0, err
		}
		conditions = append(conditions, free)`,
		pkg: distributor + "/internal/store", run: "TestADecisionAndItsEventsAreOneTransaction",
	},
	{
		name: "events: what was told is told again", file: "services/distributor/internal/store/decide.go",
		old: `clientv3.Compare(clientv3.ModRevision(toldKey(id)), "=", was.toldAt)`,
		new: `clientv3.Compare(clientv3.ModRevision(toldKey(id)), ">", was.toldAt-1<<40)`,
		pkg: distributor + "/internal/store", run: "TestADecisionAndItsEventsAreOneTransaction",
	},
	{
		name: "events: a freeze is not told", file: "services/distributor/internal/store/orders.go",
		old: `told := event.Ordered(order.Time, group, order); len(told) > 0`,
		new: `told := event.Ordered(order.Time, group, order); false`,
		pkg: distributor + "/internal/store", run: "TestAFreezeAndItsEventAreOneTransaction",
	},
	{
		name: "events: up to where they were trimmed is not kept", file: "services/distributor/internal/store/events.go",
		old: `writes := []clientv3.Op{clientv3.OpPut(trimmedKey, text)}`, new: `writes := []clientv3.Op{clientv3.OpPut(trimmedKey+"-", text)}`,
		pkg: distributor + "/internal/store", run: "TestTheOldestEventsAreTrimmed",
	},
	{
		name: "events: the epoch does not order them", file: "services/distributor/internal/event/sequence.go",
		old: `return Sequence(int64(epoch)<<(revisionBits+placeBits) | revision<<placeBits | int64(place))`,
		new: `return Sequence(revision<<placeBits | int64(place))`,
		pkg: distributor + "/internal/event", run: "TestSequencesAreOrdered",
	},
	{
		name: "events: waves in between are not told", file: "services/distributor/internal/event/decided.go",
		old: `for wave := before.Wave + 1; wave <= after.Wave; wave++ {`,
		new: `for wave := max(before.Wave+1, after.Wave); wave <= after.Wave; wave++ {`,
		pkg: distributor + "/internal/event", run: "TestEveryDecisionIsTold",
	},
	{
		name: "events: an order is told again", file: "services/distributor/internal/event/decided.go",
		old: `case before.Has(o.ID):`, new: `case false && before.Has(o.ID):`,
		pkg: distributor + "/internal/event", run: "TestEveryDecisionIsTold",
	},
	{
		name: "events: drift is told at once", file: "services/distributor/internal/event/damper.go",
		old: `return differs && now.Sub(since) >= Damping`, new: `return differs && now.Sub(since) >= 0`,
		pkg: distributor + "/internal/event", run: "TestDriftIsToldWhenItLasts",
	},
	{
		name: "an agent follows an older decision", file: "agent/internal/apply/decide.go",
		old: `if !d.Lineage().Covers(s.Memory.Stamp()) {`, new: `if false {`,
		pkg: "./agent/internal/apply", run: "Older|Stale|Epoch|Decide|Received",
	},
	{
		name: "an epoch does not order decisions", file: "kit/fleet/stamp.go",
		old: `func (s Stamp) After(other Stamp) bool { return s.Compare(other) > 0 }`,
		new: `func (s Stamp) After(other Stamp) bool { return s.Decision > other.Decision }`,
		pkg: "./kit/fleet", run: "Stamp|After|Epoch",
	},
	{
		name: "an agent follows a ledger that lost what it follows", file: "agent/internal/apply/decide.go",
		old: `if !d.Lineage().Covers(s.Memory.Stamp()) {`, new: `if s.Memory.Stamp().After(d.Snapshot.Stamp()) {`,
		pkg: "./agent/internal/apply", run: "TestDecideActions",
	},
	{
		name: "a larger number comes after whatever a term lost", file: "kit/fleet/lineage.go",
		old: `return followed.Decision <= e.Decision`, new: `return true`,
		pkg: "./kit/fleet", run: "TestALedgerCovers|TestWhatARestored",
	},
	{
		name: "a term of another life passes by its number", file: "kit/fleet/lineage.go",
		old: `return followed.Term < l.Since`, new: `return followed.Term < l.Last.Term`,
		pkg: "./kit/fleet", run: "TestALedgerCovers|TestWhatARestored",
	},
	{
		name: "a decision forgets where the terms before it ended", file: "services/distributor/internal/store/decide.go",
		old: `stamped.Since, stamped.Ends = before.Since, before.Ends`, new: `stamped.Since, stamped.Ends = before.Since, nil`,
		pkg: distributor + "/internal/store", run: "TestADecisionTellsTheEnds",
	},
	{
		name: "a node that a restored ledger's numbers passed is not ahead", file: "services/distributor/internal/rollout/epoch.go",
		old: `return followed.Believable() && !ledger.Covers(followed)`, new: `return followed.Believable() && followed.After(ledger.Last)`,
		pkg: distributor + "/internal/...", run: "TestWhoIsAhead|TestAssess",
	},
	{
		name: "one worker of several is proof", file: "agent/internal/gateway/proof_state.go",
		old: `return len(s.seen) >= s.count && s.streak >= want,`, new: `return len(s.seen) >= 1 && s.streak >= want,`,
		pkg: "./agent/internal/gateway", run: "TestWhatProves",
	},
	{
		name: "another digest is proof", file: "agent/internal/gateway/proof_state.go",
		old: `err == nil && a.Digest != s.digest`, new: `err == nil && a.Digest != s.digest && false`,
		pkg: "./agent/internal/gateway", run: "TestWhatProves",
	},
	{
		name: "a proof is over before an orphan was met", file: "agent/internal/gateway/proof_state.go",
		old: `return len(s.seen) >= s.count && s.streak >= want,`, new: `return len(s.seen) >= s.count && want > 0,`,
		pkg: "./agent/internal/gateway", run: "TestWhatProves",
	},
	{
		name: "a stale router is not loaded once more", file: "agent/internal/apply/prove.go",
		old: `failure.Reason != verdict.StaleRouter {`, new: `failure.Reason >= 0 {`,
		pkg: "./agent", run: "TestF43_AStaleRouterIsLoadedOnceMore",
	},
	{
		name: "loads follow each other at once", file: "agent/internal/gateway/load.go",
		old: `time.Until(last.Add(g.opts.LoadGap))`, new: `time.Until(*last)`,
		pkg: "./agent", run: "TestF43_TheAgentLeavesASecondBetweenLoads",
	},
	{
		name: "nobody asks a proven gateway again", file: "agent/internal/gateway/spot_check.go",
		old: `a.Digest != digest || g.unknown(a)`, new: `false && g.unknown(a)`,
		pkg: "./agent/internal/gateway", run: "TestSpotCheck",
	},
	{
		name: "what is loaded counts as proven", file: "agent/internal/apply/load.go",
		old: `if e.Ack.Stray, err = a.proveLoaded(ctx, act.Snapshot, p, e.Ack.LoadTime); err != nil {`,
		new: `if e.Ack.Stray, err = a.proveLoaded(ctx, act.Snapshot, p, e.Ack.LoadTime); err != nil && ctx.Err() != nil {`,
		pkg: "./agent", run: "TestNothingIsKeptBeforeItIsProven",
	},
	{
		name: "the boot file is written before the proof", file: "agent/internal/apply/load.go",
		old: `a.reached("before-proof")`, new: `_ = a.writeBootFile(p)`,
		pkg: "./agent", run: "TestNothingIsKeptBeforeItIsProven",
	},
	{
		name: "the last known good is kept before the proof", file: "agent/internal/apply/load.go",
		old: `a.reached("before-proof")`, new: `_ = a.Store.Promote(act.Snapshot)`,
		pkg: "./agent", run: "TestNothingIsKeptBeforeItIsProven",
	},
	{
		name: "a refused snapshot is posted again", file: "agent/internal/apply/decide.go",
		old: `if problems, is := s.refused(d.Snapshot.Digest); is {`, new: `if problems, is := s.refused(d.Snapshot.Digest); is && false {`,
		pkg: "./agent", run: "TestRefusalNamesTheObjectAndIsNotPostedAgain",
	},
	{
		name: "a halt drops what nodes were held at", file: "services/distributor/internal/rollout/end.go",
		old: `next := Assignment{Stable: s.a.Stable, Held: s.a.left(how.withdrawn)}`, new: `next := Assignment{Stable: s.a.Stable}`,
		pkg: rollouts, run: "TestSimulation|TestAHalt|TestSuperseded",
	},
	{
		name: "a refused candidate is held", file: "services/distributor/internal/rollout/step.go",
		old: `return s.end(ending{state: Halted, withdrawn: true}, reason)`, new: `return s.end(ending{state: Halted}, reason)`,
		pkg: rollouts, run: "TestAHalt|TestSuperseded|TestNextStep|TestSimulation",
	},
	{
		name: "nodes that nobody knows are sent back", file: "services/distributor/internal/rollout/plan.go",
		old: `takeover{withdrawn: !c.proven(r) && len(c.online) > 0}`, new: `takeover{withdrawn: !c.proven(r)}`,
		pkg: rollouts, run: "TestNodesThatNobodyKnows",
	},
	{
		name: "sick nodes count", file: "services/distributor/internal/rollout/step.go",
		old: `s.r.leaveOut(s.in.Nodes, s.c, s.a.Reach, next)`, new: ``,
		pkg: rollouts, run: "TestSick|TestAHalt|TestSimulation",
	},
	{
		name: "a wave by label takes everybody", file: "services/distributor/internal/rollout/choose.go",
		old: `return r.Policy.rank(n) >= wave`, new: `return false`,
		pkg: rollouts, run: "TestWavesByLabel|TestSimulation",
	},
	{
		name: "a missing canary is passed", file: "services/distributor/internal/rollout/step.go",
		old: `if !s.c.nobody(s.r, s.a) || s.r.promoted() {`, new: `if true {`,
		pkg: rollouts, run: "TestWavesByLabel|TestARolloutWaitsForTheLabel",
	},
	{
		name: "every zone loads at once", file: "services/distributor/internal/rollout/choose.go",
		old: `others < s.MaxValuesLoading`, new: `others <= s.MaxValuesLoading`,
		pkg: rollouts, run: "TestWavesByLabel|TestSimulation",
	},
	{
		name: "a closed change window is ignored", file: "services/distributor/internal/rollout/plan.go",
		old: `return in.waits() && in.closedFor() == 0`, new: `return in.waits()`,
		pkg: rollouts, run: "TestChangeWindows",
	},
	{
		name: "targets bring another change along without waves", file: "kong/target/streak.go",
		old: `if s.Since == 0 || s.Since != other.Since {`, new: `if s.Since == 0 {`,
		pkg: "./kong/target", run: "TestAStreak",
	},
	{
		name: "targets go at once after a halt", file: "services/distributor/internal/rollout/targets.go",
		old: `return r.State == Completed || `, new: `return !r.State.Open() || `,
		pkg: rollouts, run: "TestWhatHasItsWaves|TestSimulation",
	},
	{
		name: "targets go at once past what nodes are held at", file: "services/distributor/internal/rollout/targets.go",
		old: `for _, h := range a.Held {`, new: `for _, h := range a.Held[:0] {`,
		pkg: rollouts, run: "TestWhatHasItsWaves|TestSimulation",
	},
	{
		name: "a superseded hold hides a smaller reach", file: "services/distributor/internal/rollout/rollout.go",
		old: `if !a.covers(h.Reach) {`, new: `if h.Threshold > a.Threshold {`,
		pkg: rollouts, run: "TestSimulation",
	},
	{
		name: "every rollout is superseded at its gate", file: "services/distributor/internal/rollout/interval.go",
		old: `return s.newer && !s.r.TookOver`, new: `return s.newer`,
		pkg: rollouts, run: "Starve|Frequent|Gate",
	},
	{
		name: "a takeover leaves three revisions", file: "services/distributor/internal/rollout/choose.go",
		old: `return p.size(1, len(c.fit)) >= c.upTo(reach)`, new: `return true`,
		pkg: rollouts, run: "TestATakeOverAtTheEndOfAWave",
	},
	{
		name: "a takeover leaves nodes on the revision before", file: "services/distributor/internal/rollout/choose.go",
		old: `if !r.TookOver || r.Wave > 1 {`, new: `if r.Wave >= 0 {`,
		pkg: rollouts, run: "TestATakeOverTakesOn",
	},
	{
		name: "a takeover adds a third revision", file: "services/distributor/internal/rollout/interval.go",
		old: `s.a.outside() <= 1 &&`, new: `s.a.outside() <= 9 &&`,
		pkg: rollouts, run: "TestAStormOfRevisions",
	},
	{
		name: "a takeover does not wait for the load interval", file: "services/distributor/internal/rollout/interval.go",
		old: `s.in.Policy.firstWave(s.c, s.a.Reach) && s.in.intervalLeft() == 0`, new: `s.in.Policy.firstWave(s.c, s.a.Reach)`,
		pkg: rollouts, run: "TestABurstIsTwoLoads",
	},
	{
		name: "a rollout does not wait for the load interval", file: "services/distributor/internal/rollout/plan.go",
		old: `case newer && left > 0:`, new: `case false:`,
		pkg: rollouts, run: "TestABurstIsTwoLoads|TestTheInterval",
	},
	{
		name: "what follows a halt waits for the load interval", file: "services/distributor/internal/rollout/interval.go",
		old: `r.LoadTime.IsZero() || r.State == Halted || r.State == RolledBack {`, new: `r.LoadTime.IsZero() {`,
		pkg: rollouts, run: "TestWhatDoesNotWaitForTheInterval",
	},
	{
		name: "a promote does not pass the load interval", file: "services/distributor/internal/rollout/orders.go",
		old: `(order.Verb == Retry || order.Begin)`, new: `order.Verb == Retry`,
		pkg: rollouts, run: "TestWhatDoesNotWaitForTheInterval",
	},
	{
		name: "the load interval counts from the first load of a rollout", file: "services/distributor/internal/rollout/step.go",
		old: `		s.r.LoadTime = s.now`, new: `		s.r.LoadTime = s.r.CreateTime`,
		pkg: rollouts, run: "TestTheIntervalIsBetweenLoads",
	},
	{
		name: "the fastest gateway sets the load interval", file: "services/distributor/internal/rollout/interval.go",
		old: `longest = max(longest, n.Gateway.Serving(in.Newest.Size))`, new: `longest = n.Gateway.Serving(in.Newest.Size)`,
		pkg: rollouts, run: "TestTheDefaultInterval",
	},
	{
		name: "one absurd load corrects a forecast", file: "kong/cost/gateway.go",
		old: `return min(max(median(all), 1.0/mostRatio), mostRatio), len(all)`, new: `return all[0], len(all)`,
		pkg: "./kong/cost", run: "TestAForecastIsCorrected",
	},
	{
		name: "a wave's loads are forecast as one after the other", file: "kong/cost/rollout.go",
		old: `time.Duration((more+max(atOnce, 1)-1)/max(atOnce, 1))`, new: `time.Duration(more)`,
		pkg: "./kong/cost", run: "TestHowLongARolloutTakes",
	},
	{
		name: "a load over the timeout is not warned of", file: "services/translator/internal/desired/load.go",
		old: `part <= 0.5 {`, new: `part > 0 {`,
		pkg: "./services/translator/internal/desired", run: "TestForecastOfALoad",
	},
	{
		name: "memory is warned of for one copy", file: "services/translator/internal/desired/load.go",
		old: `float64(2*load.Memory)`, new: `float64(load.Memory)`,
		pkg: "./services/translator/internal/desired", run: "TestForecastOfMemory",
	},
	{
		name: "a strained wave does not slow the next one", file: "services/distributor/internal/rollout/strain.go",
		old: `case s.median >= strained:`, new: `case false:`,
		pkg: rollouts, run: "TestAStrainedWave",
	},
	{
		name: "one slow node slows a rollout", file: "services/distributor/internal/rollout/strain.go",
		old: `all[(len(all)-1)/2]`, new: `all[len(all)-1]`,
		pkg: rollouts, run: "TestAStrainedWave",
	},
	{
		name: "the strain of another candidate counts", file: "services/distributor/internal/rollout/strain.go",
		old: `n.Strain > 0 && n.Loaded == digest`, new: `n.Strain > 0`,
		pkg: rollouts, run: "TestAStrainedWave",
	},
	{
		name: "what a node reports of its loads is not bounded", file: "kit/wire/cost.go",
		old: `return min(max(n, 0), most)`, new: `return max(n, 0)`,
		pkg: "./kit/wire", run: "TestAbsurdNumbers",
	},
	{
		name: "memory is learnt downwards", file: "kong/cost/gateway.go",
		old: `return min(max(median(all), 1), mostRatio)`, new: `return min(median(all), mostRatio)`,
		pkg: "./kong/cost", run: "TestMemoryIsLearntUpwards",
	},
	{
		name: "what a gateway runs already is measured as a load", file: "agent/internal/apply/measure.go",
		old: `stats.Hash == p.hash`, new: `false`,
		pkg: "./agent", run: "TestLoadsAreMeasured",
	},
	{
		name: "small loads correct the forecast of a large one", file: "kong/cost/gateway.go",
		old: `x.Serving > 0 && x.weight() >= least`, new: `x.Serving > 0 && least >= 0`,
		pkg: "./kong/cost", run: "TestAForecastIsCorrected",
	},
	{
		name: "another leader's clock ends a phase", file: "services/distributor/internal/rollout/stopwatch.go",
		old: `return now.Sub(m.seen)`, new: `return now.Sub(of)`,
		pkg: rollouts, run: "TestAForeignClock",
	},
	{
		name: "a tally of an older decision settles a wave", file: "services/distributor/internal/rollout/count.go",
		old: `c.current = c.current && t.Decision == a.Decision && t.named()`, new: `c.current = c.current && t.named()`,
		pkg: rollouts, run: "TestNextStep",
	},
	{
		name: "a node counts twice", file: "services/distributor/internal/rollout/count.go",
		old: `return slices.Compact(online), slices.Compact(offline)`, new: `return append(online, online...), offline`,
		pkg: rollouts, run: "TestCount|TestNextStep|TestFirstStep",
	},
	{
		name: "rollouts: a frozen group begins one", file: "services/distributor/internal/rollout/plan.go",
		old: `return in.Orders.Frozen() == nil && (in.Rollout == nil ||`,
		new: `return (in.Rollout == nil ||`,
		pkg: rollouts, run: "TestAFrozenGroup|TestSimulation",
	},
	{
		name: "agent: a proof brings an earlier revision back", file: "agent/internal/apply/decide.go",
		old: `return s.proven(s.latest(e.Snapshot), e.Ack), nil`,
		new: `return s.proven(e.Snapshot, e.Ack), nil`,
		pkg: "./agent/internal/apply", run: "TestTheSameContentKeepsItsLatestRevision",
	},
	{
		name: "rollouts: one begins beside a freeze", file: "services/distributor/internal/store/decide.go",
		old: `if begins(was, d) {`,
		new: `if begins(was, d) && d.Rollout == nil {`,
		pkg: "./services/distributor/internal/store", run: "TestNoRolloutBeginsBesideAnOrder",
	},
	{
		name: "orders: an earlier freeze is forgotten", file: "services/distributor/internal/rollout/orders.go",
		old: `o.Earlier = appended(o.Earlier, *o.Group)`,
		new: `o.Earlier = nil`,
		pkg: rollouts, run: "TestOrdersForAGroupAreRemembered",
	},
	{
		name: "orders: one waits for ever", file: "services/distributor/internal/rollout/orders.go",
		old: `case newest.ID == o.Rollout:`,
		new: `case newest.ID != "":`,
		pkg: rollouts, run: "TestWhatBecomesOfAnOrder",
	},
	{
		name: "orders: a repeated call is for another rollout", file: "services/distributor/internal/api/orders.go",
		old: `if found {`,
		new: `if found && first.Rollout == all[0].ID {`,
		pkg: "./services/distributor", run: "TestARepeatedCallIsForTheRolloutOfTheFirst",
	},
	{
		name: "pins: each leader asks for others", file: "services/distributor/internal/controller/pin.go",
		old: `RequestId: fmt.Sprintf("rollout-%s", r.ID)`,
		new: `RequestId: fmt.Sprintf("rollout-%s-%d", r.ID, l.fence.Term)`,
		pkg: "./services/distributor", run: "TestTheLeaderIsKilledAtEachStep",
	},
	{
		name: "rollouts: a paused one goes on", file: "services/distributor/internal/rollout/step.go",
		old: "if !s.r.Paused {\n",
		new: "if s.r.State != \"\" {\n",
		pkg: rollouts, run: "TestAPausedRollout|TestSimulation",
	},
	{
		name: "rollouts: a newer one takes the place of a paused one", file: "services/distributor/internal/rollout/step.go",
		old: `if !s.newer || s.r.Paused {`,
		new: `if !s.newer {`,
		pkg: rollouts, run: "TestAPausedRollout|TestSimulation",
	},
	{
		name: "rollouts: an order is obeyed again", file: "services/distributor/internal/rollout/orders.go",
		old: `!order.Done && !r.Has(order.ID)`,
		new: `!order.Done`,
		pkg: rollouts, run: "TestPromoteEndsTheSoak|TestSimulation",
	},
	{
		name: "rollouts: the 17th order is not written", file: "services/distributor/internal/rollout/step.go",
		old: `slices.Equal(before.Orders, r.Orders)`,
		new: `len(before.Orders) == len(r.Orders) && slices.Equal(r.Orders, r.Orders)`,
		pkg: rollouts, run: "TestEveryOrderIsRecorded",
	},
	{
		name: "orders: what was so already is for the next rollout", file: "services/distributor/internal/rollout/orders.go",
		old: `order.Rollout == r.ID && !order.Done &&`, new: `order.Rollout == r.ID &&`,
		pkg: rollouts, run: "TestAnOrderThatIsDone",
	},
	{
		name: "orders: a needless freeze freezes again later", file: "services/distributor/internal/rollout/orders.go",
		old: `next.ID, next.Done = id, true`, new: `next.ID = id`,
		pkg: rollouts, run: "TestOrdersForAGroupAreRemembered",
	},
	{
		name: "rollouts: a superseded one forgets its orders", file: "services/distributor/internal/rollout/step.go",
		old: `in.Rollout, in.Ages = &s.r, s.ages`,
		new: `in.Ages = s.ages`,
		pkg: rollouts, run: "TestASupersededRolloutKeepsItsOrders",
	},
	{
		name: "rollouts: a pause makes one stuck", file: "services/distributor/internal/rollout/step.go",
		old: "\tin.Ages = s.ages\n",
		new: "\t_ = s.ages\n",
		pkg: rollouts, run: "TestAResumedRolloutIsNotSuperseded",
	},
	{
		name: "rollouts: promote passes every wave", file: "services/distributor/internal/rollout/orders.go",
		old: `if r.Promoted = max(r.Wave, 1); o.Full {`,
		new: `if r.Promoted = r.Policy.WaveCount(); o.Full {`,
		pkg: rollouts, run: "TestPromoteEndsTheSoak",
	},
	{
		name: "rollouts: a retry is not recorded", file: "services/distributor/internal/rollout/plan.go",
		old: `r.Orders = []Order{order}`,
		new: `_ = order`,
		pkg: rollouts, run: "TestRetry|TestSimulation",
	},
	{
		name: "rollouts: a rollback leaves the candidate", file: "services/distributor/internal/rollout/end.go",
		old: `return s.end(ending{state: RolledBack, withdrawn: true}, reason)`,
		new: `return s.end(ending{state: RolledBack}, reason)`,
		pkg: rollouts, run: "TestAbort|TestAFailedGate|TestSimulation",
	},
	{
		name: "rollouts: a rollback pins nothing", file: "services/distributor/internal/rollout/end.go",
		old: `s.r.Pinning = &Pinning{}`,
		new: `s.r.Pinning = nil`,
		pkg: rollouts, run: "TestAbort|TestSimulation",
	},
	{
		name: "rollouts: a retried candidate stays where it was held", file: "services/distributor/internal/rollout/end.go",
		old: `if how.withdrawn && !how.hadTime {`,
		new: `if how.withdrawn && !how.withdrawn {`,
		pkg: rollouts, run: "TestARetriedCandidate",
	},
	{
		name: "rollouts: after a recovery nothing goes back", file: "services/distributor/internal/rollout/end.go",
		old: `if how.withdrawn && s.a.anyOf(`,
		new: `if !how.withdrawn && s.a.anyOf(`,
		pkg: rollouts, run: "TestARolloutIsTakenBackAfterARecovery",
	},
	{
		name: "rollouts: one begins before the pins are set", file: "services/distributor/internal/rollout/pinning.go",
		old: `(!p.Done || newest < p.Revision)`,
		new: `newest < p.Revision`,
		pkg: rollouts, run: "TestSimulation",
	},
	{
		name: "rollouts: one begins without the pins", file: "services/distributor/internal/rollout/pinning.go",
		old: `(!p.Done || newest < p.Revision)`,
		new: `!p.Done`,
		pkg: rollouts, run: "TestAPinnedGroup|TestSimulation",
	},
	{
		name: "rollouts: a refusal pins though the policy halts", file: "services/distributor/internal/rollout/pinning.go",
		old: `if p.OnReject != fleet.RejectPins {`,
		new: `if p.OnReject == 0 {`,
		pkg: rollouts, run: "TestARefusalPins|TestSimulation",
	},
	{
		name: "gates: a failed one is not obeyed", file: "services/distributor/internal/rollout/step.go",
		old: `failed != nil && !s.r.promoted()`,
		new: `failed == nil && !s.r.promoted()`,
		pkg: rollouts, run: "TestAFailedGate",
	},
	{
		name: "gates: a promoted wave is judged", file: "services/distributor/internal/rollout/step.go",
		old: `failed != nil && !s.r.promoted()`,
		new: `failed != nil`,
		pkg: rollouts, run: "TestAPromotedWaveIsNotJudged",
	},
	{
		name: "gates: a wave is not watched", file: "services/distributor/internal/rollout/policy.go",
		old: `return DefaultWatch`,
		new: `return 0`,
		pkg: rollouts, run: "TestAGateWithoutEvidence|TestSimulation",
	},
	{
		name: "gates: too little traffic passes", file: "services/distributor/internal/rollout/step.go",
		old: `return s.inconclusive(s.ages.Settle - soak)`,
		new: `return nil`,
		pkg: rollouts, run: "TestAWaveWithoutEvidence",
	},
	{
		name: "gates: the wave before is judged", file: "services/distributor/internal/rollout/judge.go",
		old: `if e.Wave != wave {`,
		new: `if e.Wave == 0 {`,
		pkg: rollouts, run: "TestWhatTheGatesSay|TestSimulation",
	},
	{
		name: "gates: the policy to halt is not obeyed", file: "services/distributor/internal/rollout/end.go",
		old: `s.r.Policy.OnUnhealthy == fleet.UnhealthyHalts || s.r.Stable.IsZero()`,
		new: `s.r.Stable.IsZero()`,
		pkg: rollouts, run: "TestAFailedGateHalts|TestSimulation",
	},
	{
		name: "gates: the fix of slow nodes is inconclusive", file: "services/distributor/internal/gate/latency.go",
		old: `return false, last, !math.IsInf(was, 1)`, new: `return false, last, false`,
		pkg: "./services/distributor/internal/gate", run: "TestAQuickWave",
	},
	{
		name: "an old proof counts", file: "services/distributor/internal/stream/session.go",
		old: `s.serving, s.failing, s.failure, s.kept = "", "", "", false`, new: ``,
		pkg: distributor, run: "TestAnOldProofDoesNotCount",
	},
	{
		name: "a second agent is let in", file: "services/distributor/internal/stream/hub.go",
		old: `if holder == "" || holder == hello.GetBootId() {`, new: `if holder != "none" {`,
		pkg: distributor, run: "TestOnlyTheEnrolledAgentIsServed",
	},
	{
		name: "a replica without etcd keeps its agents", file: "services/distributor/distributor.go",
		old: `d.hub.Suspend(why)`, new: ``,
		pkg: distributor, run: "TestAReplicaWithoutEtcdDisconnectsItsAgents",
	},
	{
		name: "a node that cannot be told holds a wave", file: "services/distributor/internal/controller/cache.go",
		old: `online(n.GetState()) && !cutOff(n.GetStatus())`, new: `online(n.GetState())`,
		pkg: distributor, run: "TestANodeWithoutAStreamDoesNotHoldUpARollout",
	},
	{
		name: "a restart is taken for a duplicate agent", file: "services/registry/internal/roster/membership.go",
		old: `(asked.Succeeds == "" || s.BootID != asked.Succeeds)`, new: `true`,
		pkg: "./services/registry/internal/roster", run: "TestARestartTakesTheNameOver",
	},
	{
		name: "a head is overwritten unread", file: "services/translator/internal/store/ledger.go",
		old: `clientv3.Compare(clientv3.ModRevision(headKey(c.Group)), "=", c.HeadVersion)`,
		new: `clientv3.Compare(clientv3.Version(headKey(c.Group)), ">", -1)`,
		pkg: "./services/translator", run: "TestACommitWithoutARevision",
	},
	{
		name: "a commit names what was collected", file: "services/translator/internal/store/ledger.go",
		old: `clientv3.Compare(clientv3.ModRevision(collectedKey), "=", c.Collected)`,
		new: `clientv3.Compare(clientv3.Version(collectedKey), ">", -1)`,
		pkg: "./services/translator/internal/store", run: "InFlight",
	},
	{
		name: "what a commit names is collected", file: "services/translator/internal/store/collect.go",
		old: `WithPrefix(), "<", at+1)`, new: `WithPrefix(), "<", 1<<40)`,
		pkg: "./services/translator/internal/store", run: "TestContentThatIsNamed",
	},
	{
		name: "a restoration names what was collected", file: "services/translator/internal/desired/submit.go",
		old: `if len(added) == 0 {`, new: `if true {`,
		pkg: "./services/translator/internal/store", run: "TestARestorationInFlight",
	},
	{
		name: "what is in use expires", file: "services/translator/internal/desired/collect.go",
		old: `newer >= g.KeepRevisions && !named[r.Number] &&`, new: `newer >= max(1, g.KeepRevisions) &&`,
		pkg: "./services/translator/internal/desired", run: "TestWhichRevisionsExpire",
	},
	{
		name: "a group's own retention is not told", file: "services/distributor/internal/controller/collect.go",
		old: `inUse.KeepRevisions = int32(*policy.KeepRevisions)`, new: `_ = policy`,
		pkg: "./services/distributor/internal/controller", run: "TestTheLeaderNames",
	},
	{
		name: "a policy that may be old decides what is deleted", file: "services/distributor/internal/controller/collect.go",
		old: `if !l.Cache.groups.Current() {`, new: `if false {`,
		pkg: "./services/distributor/internal/controller", run: "TestTheLeaderNames",
	},
	{
		name: "a group keeps nothing to go back to", file: "services/registry/internal/roster/policy.go",
		old: `*n < fleet.MinKeepRevisions`, new: `*n < 1`,
		pkg: "./services/registry/internal/roster", run: "TestPolicyViolations",
	},
	{
		name: "a burst fills etcd before the next collection", file: "services/distributor/internal/controller/collect.go",
		old: `newest.Revision-last[group].Revision >= fleet`, new: `false && newest.Revision >= fleet`,
		pkg: "./test/endurance", run: "TestEtcdStays",
	},
	{
		name: "a burst is kept for an hour", file: "services/translator/internal/desired/collect.go",
		old: `age = burstAge`, new: `age = minAge`,
		pkg: "./services/translator/internal/desired", run: "TestWhichRevisionsExpire",
	},
	{
		name: "a decision under way names what was collected", file: "services/distributor/internal/controller/collect.go",
		old: `if t := newest[g.Group]; !t.IsZero() {`, new: `if t := newest[g.Group]; false && !t.IsZero() {`,
		pkg: "./services/distributor/internal/controller", run: "TestTheLeaderNames",
	},
	{
		name: "a busy group is never collected", file: "services/translator/internal/desired/collect.go",
		old: `if err != nil || n == len(old) {`, new: `if true {`,
		pkg: "./services/translator/internal/store", run: "TestABusyGroup",
	},
	{
		name: "a quota that etcd tells is ignored", file: "kit/etcdkv/size.go",
		old: `if status.DbSizeQuota > 0 {`, new: `if status.DbSizeQuota < 0 {`,
		pkg: "./kit/etcdkv", run: "TestHowFull",
	},
	{
		name: "status names another member than the fullest", file: "cli/internal/resource/status.go",
		old: `m.GetSizeBytes()*100/m.GetQuotaBytes() > percent`, new: `m.GetSizeBytes()*100/m.GetQuotaBytes() >= crowdedPercent`,
		pkg: "./cli/internal/resource", run: "TestStatusSaysHowFull",
	},
	{
		name: "a collection goes on after its turn", file: "services/translator/internal/store/collect.go",
		old: `ModRevision(turnKey), "=", int64(turn))`, new: `ModRevision(turnKey), ">", 0)`,
		pkg: "./services/translator/internal/store", run: "TestALaterCollection",
	},
	{
		name: "a late list collects", file: "services/translator/internal/store/collect.go",
		old: `err == nil && last > before &&`, new: `err == nil && last < 0 &&`,
		pkg: "./services/translator/internal/store", run: "TestALaterCollection",
	},
	{
		name: "a leader of the past asks for a collection", file: "services/distributor/internal/controller/collect.go",
		old: `if _, err := l.fence.Commit(ctx, l.Etcd, nil); err != nil {`, new: `if _, err := l.fence.Commit(ctx, l.Etcd, nil); false {`,
		pkg: "./services/distributor/internal/controller", run: "TestTheLeaderNames",
	},
	{
		name: "what is newer than the list counts", file: "services/translator/internal/desired/collect.go",
		old: `known := r.Written <= c.Before`, new: `known := true`,
		pkg: "./services/translator/internal/desired", run: "TestWhichRevisionsExpire",
	},
	{
		name: "what a pin holds back is collected", file: "services/translator/internal/store/collect.go",
		old: `n.fragments[p.RefusedFragment.Hex()] = true`, new: `_ = p`,
		pkg: "./services/translator/internal/store", run: "TestAPinKeeps",
	},
	{
		name: "a held revision is not in use", file: "services/distributor/internal/store/in_use.go",
		old: `name(h.Target)`, new: `_ = h`,
		pkg: "./services/distributor/internal/store", run: "TestWhatIsInUse",
	},
	{
		name: "a shrink is let through", file: "services/translator/internal/desired/shrink.go",
		old: `if all := base.EntityCount(); gone*2 > all {`, new: `if all := base.EntityCount(); all < 0 {`,
		pkg: "./services/translator", run: "TestRemovingMoreThanHalf|TestTheGuardMeasures",
	},
	{
		name: "a head does not name the pins", file: "services/translator/internal/desired/submit.go",
		old: `head.Pins = pinned(c.after(state.Sources))`, new: `head.Pins = pinned(nil)`,
		pkg: "./services/translator", run: "TestPinsInRecords",
	},
	{
		name: "a comment carries refused content out", file: "services/translator/internal/desired/submit.go",
		old: `if same || err != nil {`, new: `if err != nil {`,
		pkg: "./services/translator", run: "TestTheRefusedContentAgain",
	},
	{
		name: "a submission changes what is pinned by hand", file: "services/translator/internal/desired/submit.go",
		old: `if p.pinned != nil && p.pinned.Pin.ByHand() && !s.ValidateOnly {`,
		new: `if p.pinned != nil && p.pinned.Pin.ByHand() && s.ValidateOnly {`,
		pkg: "./services/translator", run: "TestAPinByHand",
	},
	{
		name: "a restoration takes back what came since", file: "services/translator/internal/desired/restore_plan.go",
		old: `if since == nil || sameContent(now, was) {`, new: `if true {`,
		pkg: "./services/translator", run: "TestWhatWasChangedSince|TestARestorationIsDecidedAgain",
	},
	{
		name: "a revision is written over", file: "services/translator/internal/store/ledger.go",
		old: `clientv3.Compare(clientv3.CreateRevision(revisionKey(c.Group, c.Head.Number)), "=", 0))`,
		new: `clientv3.Compare(clientv3.Version(revisionKey(c.Group, c.Head.Number)), ">", -1))`,
		pkg: "./services/translator", run: "TestAHeadBehindItsHistory",
	},
	{
		name: "an address is taken as it is", file: "kit/fleet/address.go",
		old: `if len(host) > maxHost || !hostPattern.MatchString(host) || numeric == nil || strings.EqualFold(host, "unix") {`,
		new: `if len(host) > maxHost || numeric == nil {`,
		pkg: "./kit/fleet", run: "Address",
	},
	{
		name: "escapes reach a terminal", file: "kit/clean/clean.go",
		old: "case Unsafe(r):\n\t\t\treturn unicode.ReplacementChar", new: "case Unsafe(r):\n\t\t\treturn r",
		pkg: "./kit/clean", run: "Test",
	},
	{
		name: "checks cost what they like", file: "kong/schema/budget.go",
		old: `return p.left >= 0 || p.refill()`, new: `return true`,
		pkg: "./kong/schema", run: "Budget|Cost|Hostile",
	},
	{
		name: "an identity may hold a hidden slash", file: "kit/identity/identity.go",
		old: `if strings.Contains(uri.EscapedPath(), "%") {`, new: `if false {`,
		pkg: "./kit/identity", run: "Test",
	},
	{
		name: "compressed requests are taken", file: "kit/rpcserver/receive.go",
		old: `if c := w.RecvCompress(); c != "" && c != encoding.Identity {`, new: `if c := w.RecvCompress(); c == encoding.Identity {`,
		pkg: "./test/security", run: "TestRightsComeBeforeTheBody|Compress",
	},
	{
		name: "a ledger that is behind its nodes decides", file: "services/distributor/internal/rollout/plan.go",
		old: `return hold(now, in, ahead)`, new: `_ = hold`,
		pkg: rollouts, run: "TestNothingIsDecidedWhileNodesAreAhead",
	},
	{
		name: "a check outlives who asked for it", file: "kong/schema/budget.go",
		old: `if p.ctx.Err() != nil {`, new: `if false {`,
		pkg: "./kong/schema", run: "TestACheckEndsWithItsContext",
	},
	{
		name: "schemas of one node refuse", file: "services/translator/internal/schemas/cache.go",
		old: `if !r.Counts {`, new: `if false {`,
		pkg: "./services/translator", run: "TestSchemasOfOneNodeRefuseNothing",
	},
	{
		name: "a bundle keeps what a gateway invented", file: "kong/schema/canonical.go",
		old: `dropSecretDefault(value)`, new: ``,
		pkg: "./kong/schema", run: "TestStartsOfOneGatewayAreOneBundle",
	},
	{
		name: "the registry stores what an older agent uploads", file: "services/registry/internal/schemas/verify.go",
		old: `if b.Normalized() != b {`, new: `if false {`,
		pkg: "./services/registry", run: "TestSecretsOfGatewaysAreNotStored",
	},
	{
		name: "each bundle of the same rules validates", file: "services/translator/internal/schemas/cache.go",
		old: `if same == nil {`, new: `if true {`,
		pkg: "./services/translator", run: "TestBundlesOfTheSameRulesValidateOnce",
	},
	{
		name: "an expression has the reserved route's priority", file: "kong/compile/check.go",
		old: `priority.Text == topPriority {`, new: `priority.Text == "" {`,
		pkg: "./kong/compile", run: "TestWhatIsReservedIsRefused",
	},
	{
		name: "a minority speaks for a group", file: "services/registry/internal/roster/schemas.go",
		old: `2*n > b.versions[v.KongVersion] && `, new: ``,
		pkg: "./services/registry/internal/roster", run: "TestWhoStandsBehindABundle",
	},
	{
		name: "a node stores what it likes", file: "services/registry/internal/schemas/cache.go",
		old: `case node >= MaxOfNode:`, new: `case node < 0:`,
		pkg: "./services/registry/internal/schemas", run: "TestWhoHasRoom",
	},
	{
		name: "a revoked certificate is let in", file: "kit/identity/access.go",
		old: `if err := a.Revocations.Refuse(who, issued); err != nil {`,
		new: `if err := a.Revocations.Refuse(who, issued); err != nil && false {`,
		pkg: "./kit/rpcserver", run: "TestARevokedCertificate",
	},
	{
		name: "a source is given back with what others hold", file: "services/translator/internal/desired/part.go",
		old: `if m.result.Origins[i].Source == source {`, new: `if m.result.Origins[i].Source != "" {`,
		pkg: "./services/translator", run: "TestASourceIsGivenBack",
	},
	{
		name: "Kong derives ids anew from references by name", file: "kong/compile/render.go",
		old: `if e := &m.all[i]; e.seed != "" || h.form == FormKong && e.kind.IDRule != entity.ByName {`,
		new: `if e := &m.all[i]; e.seed != "" {`,
		pkg: "./kong/compile", run: "TestGolden",
	},
	{
		name: "parity: any hidden key is taken for ours", file: "kong/parity/normal.go",
		old: `case name == "key" && text == redactionOf(other):`, new: `case name == "key" && redacted.MatchString(text):`,
		pkg: "./kong/parity", run: "TestWhatDiffers",
	},
	{
		name: "parity: a setting that a schema knows is taken for a default", file: "kong/parity/normal.go",
		old: `case !known || at.Marked():`, new: `case true:`,
		pkg: "./kong/parity", run: "TestSchemasTellSettingsFromDefaults",
	},
	{
		name: "parity: ids of both sides that differ are not told", file: "kong/parity/parity.go",
		old: `!differ[at] && e.idDiffers() {`, new: `!differ[at] && false {`,
		pkg: "./kong/parity", run: "TestWhatDiffers",
	},
	{
		name: "an import follows a redirect with its token", file: "cli/internal/imports/admin.go",
		old: `return http.ErrUseLastResponse`, new: `return nil`,
		pkg: "./cli/internal/imports", run: "TestWhatIsNoKong",
	},
	{
		name: "the streams of a revoked certificate go on", file: "kit/rpcserver/admission.go",
		old: `if c.out && !was {`, new: `if c.out && !was && false {`,
		pkg: "./kit/rpcserver", run: "TestARevokedCertificate",
	},
	{
		name: "a revocation is written where nobody looks", file: "services/registry/internal/store/revocations.go",
		old: `writes := []clientv3.Op{clientv3.OpPut(at, text)}`, new: `writes := []clientv3.Op{clientv3.OpPut(at+"-", text)}`,
		pkg: "./services/registry", run: "TestARevocationIsInForce",
	},
	{
		name: "an expression may be nested without end", file: "kong/rustregex/parse.go",
		old: `maxNesting = 250`, new: `maxNesting = 2500`,
		pkg: "./kong/rustregex", run: "TestGrammar",
	},
	{
		name: "without the flag u a class of bytes is negated", file: "kong/rustregex/bracket.go",
		old: `	if !p.flags.unicode {
		return nil, 0, p.fail(notUTF8)
	}
	return s.negate(), height`, new: `	return s.negate(), height`,
		pkg: "./kong/rustregex", run: "TestGrammar",
	},
	{
		name: "a quantifier is repeated", file: "kong/pcre/pcre.go",
		old: `		r.has("+")
	}
	r.item = false`, new: `		r.has("+")
	}
	r.item = true`,
		pkg: "./kong/pcre", run: "TestCheck",
	},
	{
		name: "an invalid escape is taken for Lua", file: "kong/luasyntax/simplify.go",
		old: `	default:
		return s.fail(s.line, "an escape sequence of a string is not valid")`, new: `	default:
		s.at++`,
		pkg: "./kong/luasyntax", run: "TestRefused",
	},
	{
		name: "the router's own verdict on a path is left out", file: "kong/schema/routes.go",
		old: `if why != "" {
			c.entity(BadValue, "Router Expression failed validation: "+field+": "+why)`, new: `if false {
			c.entity(BadValue, "Router Expression failed validation: "+field+": "+why)`,
		pkg: "./kong/compile", run: "TestValues",
	},
	{
		name: "sync_rate is not looked at", file: "kong/schema/plugins.go",
		old: `case policy != "redis":`, new: `case policy != "redis" && false:`,
		pkg: "./kong/schema", run: "TestRulesInPluginsOwnCode",
	},
	{
		name: "a plugin may have a scope that it excludes", file: "kong/schema/check.go",
		old: `	if f.isNull {`, new: `	if f.isNull && !f.scope {`,
		pkg: "./kong/schema", run: "TestRulesOfEntities",
	},
	{
		name: "what gateways fail on is like any refusal", file: "testkit/kongtest/internal/check/schemas.go",
		old: `if e.Fatal {`, new: `if e.Fatal && false {`,
		pkg: "./testkit/kongtest", run: "TestValues",
	},
	{
		name: "an unmanaged gateway is loaded without a word", file: "agent/internal/apply/load.go",
		old: `if err := a.permitted(ctx, canonical); err != nil {`, new: `if err := a.permitted(ctx, canonical); err != nil && false {`,
		pkg: "./agent", run: "TestAnUnmanagedGateway",
	},
	{
		name: "the boot file of before is written over", file: "agent/internal/lastgood/bootfile.go",
		old: `if err := f.keepFirst(path); err != nil {`, new: `if err := error(nil); err != nil {`,
		pkg: "./agent", run: "TestAnUnmanagedGatewayLosesWhatWasMeant",
	},
	{
		name: "other content under the same names is the same", file: "kong/inventory/inventory.go",
		old: `i.Managed, i.Content = managed, contentOf(all)`, new: `i.Managed = managed`,
		pkg: "./kong/inventory", run: "TestOtherContent",
	},
	{
		name: "the last wave is not watched", file: "services/distributor/internal/rollout/step.go",
		old: `if soak <= 0 || s.r.promoted() {`, new: `if soak <= 0 || s.r.promoted() || s.last() {`,
		pkg: rollouts, run: "TestBake|TestSimulation",
	},
	{
		name: "a node that reconnects begins the bake anew", file: "services/distributor/internal/rollout/step.go",
		old: `if !s.last() || !s.c.proven(s.r) {`, new: `if true {`,
		pkg: rollouts, run: "TestBake",
	},
	{
		name: "rollouts wait for unmanaged gateways", file: "services/distributor/internal/rollout/step.go",
		old: `if s.r.leaveOutUnmanaged(in.Nodes, s.c.kept) {`, new: `if false {`,
		pkg: rollouts, run: "TestUnmanagedNodes",
	},
	{
		name: "a submit takes away what unmanaged gateways serve", file: "services/translator/internal/desired/unmanaged.go",
		old: `if len(a.losses) == 0 {`, new: `if true {`,
		pkg: "./services/translator/internal/desired", run: "TestWhatUnmanaged",
	},
	{
		name: "a plugin of another namespace needs no grant", file: kubernetes + "/translate/plugins.go",
		old: `} else if !t.granted(by, object.Ref{`, new: `} else if false && !t.granted(by, object.Ref{`,
		module: kubernetes, pkg: "./translate", run: "TestGrants",
	},
	{
		name: "a Service of another namespace needs no grant", file: kubernetes + "/translate/gateways.go",
		old: `namespace != from.GetNamespace() && !t.granted(from, to)`, new: `false && !t.granted(from, to)`,
		module: kubernetes, pkg: "./translate", run: "TestExamples",
	},
	{
		name: "a grant for one kind is one for all", file: kubernetes + "/translate/grants.go",
		old: `string(target.Kind) == to.Kind && (`, new: `(`,
		module: kubernetes, pkg: "./translate", run: "TestGrants",
	},
	{
		name: "consumers may share a credential", file: kubernetes + "/translate/consumers.go",
		old: `if len(by) < 2 {`, new: `if true {`,
		module: kubernetes, pkg: "./translate", run: "TestExamples",
	},
	{
		name: "an endpoint that is not ready is a target", file: kubernetes + "/translate/upstreams.go",
		old: `!ready && !drains`, new: `false && !ready && !drains`,
		module: kubernetes, pkg: "./translate", run: "TestExamples",
	},
	{
		name: "a weight is not shared among endpoints", file: kubernetes + "/translate/upstreams.go",
		old: `share = max(share/serving, 1)`, new: `share = max(share, 1)`,
		module: kubernetes, pkg: "./translate", run: "TestExamples",
	},
	{
		name: "what depends on a broken object stays", file: kubernetes + "/translate/fallback.go",
		old: `queue = append(queue, dependents[queue[0]]...)`, new: `queue = append(queue[:len(queue):len(queue)], nil...)`,
		module: kubernetes, pkg: "./translate", run: "TestBroken",
	},
	{
		name: "a listener takes routes of every namespace", file: kubernetes + "/translate/attach.go",
		old: `case !t.namespaceAllowed(l, c.route.GetNamespace()):`, new: `case false:`,
		module: kubernetes, pkg: "./translate", run: "TestOnlyRoutes",
	},
	{
		name: "older routes do not come first", file: kubernetes + "/translate/httproutes_expression.go",
		old: `uint64(max(highest-order, 0))`, new: `uint64(min(order, highest))`,
		module: kubernetes, pkg: "./translate", run: "TestRanks",
	},
	{
		name: "objects of another class are translated", file: kubernetes + "/translate/class.go",
		old: `return *class == t.IngressClass`, new: `return true`,
		module: kubernetes, pkg: "./translate", run: "TestExamples",
	},
	{
		name: "an input has no bound", file: kubernetes + "/manifest/manifest.go",
		old: `if int64(len(text)) > limit {`, new: `if false {`,
		module: kubernetes, pkg: "./manifest", run: "TestAnInputWithoutEnd",
	},
	{
		name: "targets: an older set takes the place of a newer one", file: "agent/internal/targets/keeper.go",
		old: `if !next.Stamp().After(k.set.Stamp()) {`, new: `if false {`, pkg: "./agent/internal/targets", run: "TestOlderSetsAreIgnored",
	},
	{
		name: "targets: what left the set is not let in again", file: "agent/internal/targets/keeper.go",
		old: `k.set = after(k.set, next)`, new: `k.set = next`, pkg: "./agent/internal/targets", run: "TestOlderSetsAreIgnored",
	},
	{
		name: "targets: a load does not wait until the gateway was told", file: "agent/internal/targets/keeper.go",
		old: "\tk.anew()\n}", new: "}", pkg: "./agent/internal/targets", run: "TestALoadWaits",
	},
	{
		name: "targets: one that came back stays in", file: "agent/internal/targets/entry.go",
		old: `return entry{standing: unknown, tries: e.tries}`, new: `return e`, pkg: "./agent/internal/targets", run: "TestWhatIsKnown",
	},
	{
		name: "targets: an owner undoes another", file: "services/distributor/internal/targets/targets.go",
		old: `if act.Owner == c.Owner {`, new: `if true {`, pkg: distributor + "/internal/targets", run: "TestChanges",
	},
	{
		name: "targets: an upstream is emptied without force", file: "services/distributor/internal/api/targets.go",
		old: `len(empty) > 0 && !r.GetForce()`, new: `len(empty) > 1000 && !r.GetForce()`, pkg: distributor,
		run: "TestWhatCannotBeKeptOutIsRefused",
	},
	{
		name: "targets: an agent is sent what it has", file: "services/distributor/internal/stream/targets.go",
		old: `!k.stamp.After(s.keeps)`, new: `k.stamp.Decision < 0`, pkg: distributor, run: "TestDrainedTargetsReachEveryAgent",
	},
	{
		name: "backups: frames that are left out are not missed", file: "kit/backup/reader.go",
		old: `if last.Sum != r.id {`, new: `if false {`, pkg: "./kit/backup", run: "TestFramesAreAllThereInTheirOrder|TestAHostileFile",
	},
	{
		name: "backups: what lives with a process is in one", file: "kit/backup/take.go",
		old: `if !isKept(key, now.Lease) {`, new: `if false {`, pkg: "./kit/backup", run: "TestABackupHasWhatOutlivesItsProcesses",
	},
	{
		name: "restore: a record gets a new number", file: "kit/backup/numbers.go",
		old: `r.Mark, r.Version = etcdkv.Mark{At: r.Number(e.Revision)}, markedRecord`, new: `r.Mark = etcdkv.Mark{}`,
		pkg: "./kit/backup", run: "TestARestoreKeepsTheNumbers",
	},
	{
		name: "restore: numbers begin again", file: "kit/backup/restore.go",
		old: `shift := max(0, s.done.Number-now.Header.Revision)`, new: `shift := 0 * now.Header.Revision`,
		pkg: "./kit/backup", run: "TestARestoreKeepsTheNumbers",
	},
	{
		name: "restore: what the backup lacks stays", file: "kit/backup/restore.go",
		old: `ops = append(ops, clientv3.OpDelete(key))`, new: ``,
		pkg: "./kit/backup", run: "TestARestoreThatDiesIsRunAgain|TestARefusedRestore",
	},
	{
		name: "restore: it begins beside replicas", file: "kit/backup/plan.go",
		old: `case len(t.Replicas) > 0:`, new: `case false:`,
		pkg: "./kit/backup", run: "TestARefusedRestoreWritesNothing",
	},
	{
		name: "restore: one that was taken over goes on", file: "kit/backup/restore.go",
		old: `answer, err := s.kv.Txn(ctx).If(s.mine).Then(ops...).Commit()`, new: `answer, err := s.kv.Txn(ctx).Then(ops...).Commit()`,
		pkg: "./kit/backup", run: "TestASecondRestoreTakesOver",
	},
	{
		name: "restore: a marker goes before the end", file: "kit/backup/restore.go",
		old: `marks = append(marks, clientv3.OpPut(part.Marker(), string(text)))`,
		new: `marks = append(marks, clientv3.OpPut("observed"+part.Marker(), string(text)))`,
		pkg: "./kit/backup", run: "TestARestoreThatDiesIsRunAgain",
	},
	{
		name: "restore: a replica does not look for a marker", file: "kit/presence/presence.go",
		old: `if !answer.Succeeded {`, new: `if false {`,
		pkg: "./kit/presence", run: "TestAReplicaThatWasAwayEnds",
	},
	{
		name: "restore: a decision after it has a smaller number", file: "services/distributor/internal/store/decide.go",
		old: `text, err := encodeShifted(stamped, was.Recovery.Shift)`, new: `text, err := encodeShifted(stamped, 0)`,
		pkg: distributor + "/internal/store", run: "TestARestoredLedgerGoesOn",
	},
	{
		name: "restore: a recovery begins the numbers again", file: "services/distributor/internal/store/recovery.go",
		old: `next.Shift, next.Restored = was.Recovery.Shift, was.Recovery.Restored`, new: `next.Restored = was.Recovery.Restored`,
		pkg: distributor + "/internal/store", run: "TestARestoredLedgerGoesOn",
	},
}
