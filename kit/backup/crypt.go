package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"filippo.io/age"
)

const encryptedMagic = "age-encryption.org/"

// maxKeyFile bounds a file of recipients or identities.
const maxKeyFile = 1 << 20

// Recipients returns the public keys (age1…) in texts and in files, one a line. Either may be empty.
func Recipients(texts, files []string) ([]age.Recipient, error) {
	var all []age.Recipient
	for _, text := range texts {
		r, err := age.ParseRecipients(bytes.NewReader([]byte(text)))
		if err != nil {
			return nil, fmt.Errorf("%q is no public key of age: %w", text, err)
		}
		all = append(all, r...)
	}
	for _, name := range files {
		text, err := readKeys(name)
		if err != nil {
			return nil, err
		}
		r, err := age.ParseRecipients(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, r...)
	}
	return all, nil
}

// Identities returns the secret keys (AGE-SECRET-KEY-1…) in files, one a line. Errors hold nothing of them.
func Identities(files []string) ([]age.Identity, error) {
	var all []age.Identity
	for _, name := range files {
		text, err := readKeys(name)
		if err != nil {
			return nil, err
		}
		ids, err := age.ParseIdentities(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s holds no secret key of age, as age-keygen makes them", name)
		}
		all = append(all, ids...)
	}
	return all, nil
}

func readKeys(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		err = fmt.Errorf("%s: a file of keys has at most %d bytes", name, maxKeyFile)
	}
	return text, err
}

// Encrypt returns a writer that encrypts to recipients; without any it does not encrypt. The caller closes it, which does not close to.
func Encrypt(to io.Writer, recipients []age.Recipient) (io.WriteCloser, error) {
	if len(recipients) == 0 {
		return plain{to}, nil
	}
	w, err := age.Encrypt(to, recipients...)
	if err != nil {
		return nil, fmt.Errorf("encrypt the backup: %w", err)
	}
	return w, nil
}

type plain struct{ io.Writer }

// Close implements io.Closer.
func (plain) Close() error { return nil }

// Open reads the beginning of a backup, and decrypts it when it is encrypted.
func Open(from io.Reader, identities []age.Identity) (*Reader, error) {
	buffered := bufio.NewReader(from)
	head, err := buffered.Peek(len(encryptedMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the backup: %w", err)
	}
	if string(head) != encryptedMagic {
		return NewReader(buffered)
	}
	if len(identities) == 0 {
		return nil, fmt.Errorf("%w: give the file of its secret key with --identity", ErrEncrypted)
	}
	decrypted, err := age.Decrypt(buffered, identities...)
	var other *age.NoIdentityMatchError
	switch {
	case errors.As(err, &other):
		return nil, fmt.Errorf("%w, and none of the keys in --identity opens it", ErrEncrypted)
	case err != nil:
		return nil, fmt.Errorf("%w: it cannot be decrypted: %w", ErrDamaged, err)
	}
	return NewReader(authentic{decrypted})
}

// authentic returns the failures of decryption as damage.
type authentic struct{ io.Reader }

// Read implements io.Reader.
func (a authentic) Read(to []byte) (int, error) {
	n, err := a.Reader.Read(to)
	var disk *fs.PathError
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.As(err, &disk):
		return n, err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, ErrTruncated
	}
	return n, fmt.Errorf("%w: it cannot be decrypted: %w", ErrDamaged, err)
}
