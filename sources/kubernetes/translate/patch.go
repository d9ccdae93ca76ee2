package translate

import (
	"errors"
	"strconv"
	"strings"
)

// maxIndex bounds the arrays that a patch can make.
const maxIndex = 1024

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// patch puts value at a JSON pointer of a tree, as the operation add of RFC 6902, and makes what is missing on the way there. The empty
// pointer is the whole tree.
func patch(tree any, pointer string, value any) (any, error) {
	if pointer == "" {
		return value, nil
	}
	if !strings.HasPrefix(pointer, "/") {
		return nil, errors.New("a path begins with a slash")
	}
	return put(tree, strings.Split(pointer[1:], "/"), value)
}

func put(tree any, path []string, value any) (any, error) {
	name := unescape.Replace(path[0])
	last := len(path) == 1
	if tree == nil {
		tree = map[string]any{}
		if _, err := strconv.Atoi(name); err == nil || name == "-" {
			tree = []any{}
		}
	}
	switch tree := tree.(type) {
	case map[string]any:
		if last {
			tree[name] = value
			return tree, nil
		}
		inner, err := put(tree[name], path[1:], value)
		if err != nil {
			return nil, err
		}
		tree[name] = inner
		return tree, nil
	case []any:
		return putInto(tree, name, path, value)
	}
	return nil, errors.New("it leads into a value that has no parts")
}

// putInto inserts into an array, or changes one of its elements on the way.
func putInto(array []any, name string, path []string, value any) (any, error) {
	at := len(array)
	if name != "-" {
		var err error
		if at, err = strconv.Atoi(name); err != nil || at < 0 || at > maxIndex {
			return nil, errors.New("an element of an array is named by its index")
		}
	}
	for len(array) < at {
		array = append(array, nil)
	}
	if len(path) == 1 {
		array = append(array, nil)
		copy(array[at+1:], array[at:])
		array[at] = value
		return array, nil
	}
	if at == len(array) {
		array = append(array, nil)
	}
	inner, err := put(array[at], path[1:], value)
	if err != nil {
		return nil, err
	}
	array[at] = inner
	return array, nil
}
