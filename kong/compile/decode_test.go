package compile

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

func TestDecodeReadsWhatIsWritten(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"a":{}}`, `{"a":[]}`, `{"a":[1,-2.5e3,true,false,null,"x",[],{"b":"c"}],"d":"e"}`,
		`{"a\"b":"\\\"\u0001\n\\"}`, `{"a":"\\"}`, `{"a":"é","":""}`, `{"a":{"b":{"c":[{"d":[[1]]}]}}}`,
	} {
		got, ok := decode(text)
		var want map[string]any
		dec := json.NewDecoder(bytes.NewReader([]byte(text)))
		dec.UseNumber()
		if err := dec.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{``, `{`, `[]`, `"a"`, `{"a"}`, `{"a":}`, `{"a":1,}x`, `{"a":"`, `{"a":"\`, `{"a":[1`, `{"a":nul}`,
		`{"a":1}{}`} {
		if got, ok := decode(text); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"a":[1,true,null,"x\u0041",{"b":{}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var want map[string]any
		if json.Unmarshal([]byte(text), &want) != nil || want == nil {
			decode(text) // whatever it makes of it, it ends
			return
		}
		compact, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(bytes.NewReader(compact))
		dec.UseNumber()
		want = nil
		if err := dec.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got, ok := decode(string(compact)); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %v, %v", compact, got, ok)
		}
	})
}
