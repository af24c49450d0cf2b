// Writes host/apiserver/protobuf_table.c: the protobuf messages of the built-in kinds.
//
//	cd tests/plane && go run ./kinds/protobuf ../../host/apiserver/builtin_kinds.json \
//	    > ../../host/apiserver/protobuf_table.c
//	cd tests/plane && go run ./kinds/protobuf ../../host/apiserver/builtin_kinds.json cases \
//	    > ../../tests/host/apiserver/protobuf_cases.json
//
// Which kinds there are says builtin_kinds.json. Numbers, types and JSON names are those of the Go
// types, whose tags generated.proto is made of; only they tell what encoding/json would leave out.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

// Kinds that are bodies of requests and no resource's own.
var also = []schema.GroupVersionKind{
	{Version: "v1", Kind: "Binding"},
	{Version: "v1", Kind: "DeleteOptions"},
	{Group: "autoscaling", Version: "v1", Kind: "Scale"},
	{Group: "policy", Version: "v1", Kind: "Eviction"},
	{Group: "authentication.k8s.io", Version: "v1", Kind: "TokenRequest"},
}

// Messages whose JSON is no object of their fields.
var special = map[reflect.Type]string{
	reflect.TypeFor[meta.Time]():                                  "TIME",
	reflect.TypeFor[meta.MicroTime]():                             "MICRO_TIME",
	reflect.TypeFor[meta.FieldsV1]():                              "RAW_JSON",
	reflect.TypeFor[runtime.RawExtension]():                       "RAW_JSON",
	reflect.TypeFor[apiextensions.JSON]():                         "RAW_JSON",
	reflect.TypeFor[resource.Quantity]():                          "QUANTITY",
	reflect.TypeFor[intstr.IntOrString]():                         "INT_OR_STRING",
	reflect.TypeFor[apiextensions.JSONSchemaPropsOrBool]():        "OR_BOOL",
	reflect.TypeFor[apiextensions.JSONSchemaPropsOrArray]():       "OR_ARRAY",
	reflect.TypeFor[apiextensions.JSONSchemaPropsOrStringArray](): "OR_ARRAY",
}

var scalars = map[reflect.Kind]string{
	reflect.String: "STRING", reflect.Bool: "BOOL", reflect.Int32: "INT32", reflect.Int64: "INT64",
	reflect.Float64: "DOUBLE",
}

type message struct {
	of     reflect.Type
	fields []string
	first  int
}

type table struct {
	index    map[reflect.Type]int
	messages []*message
}

// see gives a message its number, and then those that it has.
func (t *table) see(of reflect.Type) int {
	if at, seen := t.index[of]; seen {
		return at
	}
	at := len(t.messages)
	t.index[of] = at
	t.messages = append(t.messages, &message{of: of})
	var rows []row
	for i := range of.NumField() {
		if one, is := t.row(of, of.Field(i)); is {
			rows = append(rows, one)
		}
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i].number < rows[j].number })
	for _, one := range rows {
		t.messages[at].fields = append(t.messages[at].fields, one.text)
	}
	return at
}

type row struct {
	number int
	text   string
}

func (t *table) row(of reflect.Type, field reflect.StructField) (row, bool) {
	protobuf := strings.Split(field.Tag.Get("protobuf"), ",")
	words := strings.Split(field.Tag.Get("json"), ",")
	if len(protobuf) < 2 || words[0] == "-" && special[of] == "" {
		return row{}, false
	}
	number, err := strconv.Atoi(protobuf[1])
	if err != nil {
		log.Fatalf("%v.%s: %v", of, field.Name, err)
	}
	var flags []string
	inner, pointer := field.Type, field.Type.Kind() == reflect.Pointer
	if pointer {
		inner = inner.Elem()
	}
	switch {
	case inner.Kind() == reflect.Map:
		if inner.Key().Kind() != reflect.String {
			log.Fatalf("%v.%s: a map by %v", of, field.Name, inner.Key())
		}
		flags, inner = append(flags, "PROTOBUF_MAP"), inner.Elem()
	case inner.Kind() == reflect.Slice && !isItems(inner) && inner.Elem().Kind() != reflect.Uint8:
		flags, inner = append(flags, "PROTOBUF_REPEATED"), inner.Elem()
	}
	if words[0] == "" && contains(words, "inline") {
		flags = append(flags, "PROTOBUF_INLINE")
	}
	kind, message := t.kind(inner)
	if len(flags) == 0 && !pointer && plain(inner) && contains(words, "omitempty") {
		flags = append(flags, "PROTOBUF_OMIT_ZERO")
	}
	if contains(words, "omitzero") && kind != "TIME" {
		log.Fatalf("%v.%s: omitzero of a %s", of, field.Name, kind)
	}
	flags = append(flags, "0")
	name := words[0]
	if name == "" || name == "-" { // of a message with a JSON of its own
		name = field.Name
	}
	return row{number, fmt.Sprintf(`{"%s", %d, %d, PROTOBUF_%s, %s}`, name, number, message, kind,
		strings.TrimSuffix(strings.Join(flags, " | "), " | 0"))}, true
}

func (t *table) kind(of reflect.Type) (string, int) {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if name, is := special[of]; is && strings.HasPrefix(name, "OR_") {
		return name, t.see(of)
	} else if is {
		return name, 0
	}
	if name, is := scalars[of.Kind()]; is {
		return name, 0
	}
	switch {
	case isItems(of):
		return "ITEMS", 0
	case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Uint8:
		return "BYTES", 0
	case of.Kind() == reflect.Struct:
		if reflect.PointerTo(of).Implements(reflect.TypeFor[json.Marshaler]()) {
			log.Fatalf("%v has a JSON of its own", of)
		}
		return "MESSAGE", t.see(of)
	}
	log.Fatalf("%v is no protobuf", of)
	return "", 0
}

// plain tells what encoding/json may leave out when it is zero.
func plain(of reflect.Type) bool {
	return scalars[of.Kind()] != "" || of.Kind() == reflect.Slice
}

// isItems tells a list of strings that is a message: {repeated string items = 1}.
func isItems(of reflect.Type) bool {
	type marshaler interface{ Marshal() ([]byte, error) }
	return of.Kind() == reflect.Slice && of.Implements(reflect.TypeFor[marshaler]())
}

func contains(words []string, word string) bool {
	for _, one := range words {
		if one == word {
			return true
		}
	}
	return false
}

// kinds are those of the table of resources, and the others.
func kinds(path string) []schema.GroupVersionKind {
	var served struct {
		Resources []struct{ Group, Version, Kind string }
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &served)
	}
	if err != nil {
		log.Fatal(err)
	}
	all := append([]schema.GroupVersionKind{}, also...)
	for _, one := range served.Resources {
		all = append(all, schema.GroupVersionKind(one))
	}
	sort.Slice(all, func(i, j int) bool { return all[i].String() < all[j].String() })
	return all
}

func main() {
	if err := apiextensions.AddToScheme(scheme.Scheme); err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 2 && os.Args[2] == "cases" {
		printCases(kinds(os.Args[1]))
		return
	}
	printTable(kinds(os.Args[1]))
}

func printTable(kinds []schema.GroupVersionKind) {
	t := &table{index: map[reflect.Type]int{}}
	t.messages = append(t.messages, &message{of: reflect.TypeFor[struct{}]()}) // 0 is none
	var rows []string
	for _, kind := range kinds {
		object, err := scheme.Scheme.New(kind)
		if err != nil {
			log.Fatal(err)
		}
		apiVersion, name := kind.ToAPIVersionAndKind()
		rows = append(rows, fmt.Sprintf(`    {"%s", "%s", %d},`, apiVersion, name, t.see(reflect.TypeOf(object).Elem())))
	}
	fmt.Print("/* Made by tests/plane/kinds/protobuf; do not edit. */\n",
		"#include \"apiserver/protobuf_table.h\"\n\n/* clang-format off */\n",
		"const struct protobuf_field protobuf_fields[] = {\n")
	count := 0
	for at, one := range t.messages {
		one.first = count
		count += len(one.fields)
		if at > 0 && len(one.fields) > 0 {
			fmt.Printf("    /* %s.%s */ %s,\n", one.of.PkgPath(), one.of.Name(), strings.Join(one.fields, ", "))
		}
	}
	fmt.Print("};\nconst struct protobuf_message protobuf_messages[] = {\n")
	for _, one := range t.messages {
		fmt.Printf("    {%d, %d},\n", one.first, len(one.fields))
	}
	fmt.Printf("};\nconst struct protobuf_kind protobuf_kinds[] = {\n%s\n", strings.Join(rows, "\n"))
	fmt.Print("};\nconst size_t protobuf_kind_count = sizeof protobuf_kinds / sizeof *protobuf_kinds;\n")
}
