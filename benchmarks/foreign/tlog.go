// A verifier that is not ours: checks a checkpoint, receipts and consistency proofs with golang.org/x/mod/sumdb, the
// packages of the Go checksum database. Reads JSON on stdin, answers JSON on stdout. Not part of Obverse.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run benchmarks/foreign/tlog.go < case.json
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type receipt struct {
	Entry  string
	Index  int64
	Hashes []string
}

type older struct {
	Size   int64
	Root   string
	Hashes []string
}

type input struct {
	Key         string
	Checkpoint  string
	Receipts    []receipt
	Consistency []older
	Entries     []string
}

type output struct {
	Note        bool
	Size        int64
	Receipts    int
	Consistency int
	Root        bool
}

func main() {
	var in input
	must(json.NewDecoder(os.Stdin).Decode(&in))
	var out output
	verifier, err := note.NewVerifier(in.Key)
	must(err)
	opened, err := note.Open([]byte(in.Checkpoint), note.VerifierList(verifier))
	out.Note = err == nil
	if err == nil {
		lines := strings.Split(opened.Text, "\n")
		size, err := strconv.ParseInt(lines[1], 10, 64)
		must(err)
		out.Size = size
		root := hash(lines[2])
		for _, one := range in.Receipts {
			entry, err := base64.StdEncoding.DecodeString(one.Entry)
			must(err)
			if tlog.CheckRecord(hashes(one.Hashes), size, root, one.Index, tlog.RecordHash(entry)) == nil {
				out.Receipts++
			}
		}
		for _, one := range in.Consistency {
			if tlog.CheckTree(hashes(one.Hashes), size, root, one.Size, hash(one.Root)) == nil {
				out.Consistency++
			}
		}
		out.Root = built(in.Entries) == root
	}
	must(json.NewEncoder(os.Stdout).Encode(out))
}

// built is the root that the Go packages make of these entries themselves.
func built(entries []string) tlog.Hash {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, index := range indexes {
			found = append(found, stored[index])
		}
		return found, nil
	})
	for number, entry := range entries {
		data, err := base64.StdEncoding.DecodeString(entry)
		must(err)
		more, err := tlog.StoredHashes(int64(number), data, reader)
		must(err)
		stored = append(stored, more...)
	}
	root, err := tlog.TreeHash(int64(len(entries)), reader)
	must(err)
	return root
}

func hash(text string) tlog.Hash {
	found, err := tlog.ParseHash(text)
	must(err)
	return found
}

func hashes(texts []string) []tlog.Hash {
	var found []tlog.Hash
	for _, text := range texts {
		found = append(found, hash(text))
	}
	return found
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
