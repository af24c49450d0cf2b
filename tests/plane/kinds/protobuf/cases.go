package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"reflect"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

// filler sets every field of every type, once: where a type comes again, it stays zero.
type filler struct {
	seen  map[reflect.Type]bool
	count int
}

func (f *filler) next() int {
	f.count++
	return f.count
}

// own are values of the types that have a JSON of their own; those that are one of two, in turns.
func (f *filler) own(of reflect.Type) any {
	moment := time.Date(2026, 2, 3, 4, 5, 6, 789123000, time.UTC)
	schema := apiextensions.JSONSchemaProps{Type: "string"}
	turn := f.next()%2 == 0
	switch of {
	case reflect.TypeFor[meta.Time]():
		return meta.NewTime(moment)
	case reflect.TypeFor[meta.MicroTime]():
		return meta.NewMicroTime(moment)
	case reflect.TypeFor[resource.Quantity]():
		return resource.MustParse(fmt.Sprint(f.count, "Mi"))
	case reflect.TypeFor[meta.FieldsV1]():
		return meta.FieldsV1{Raw: []byte(`{"f:a":{".":{}}}`)}
	case reflect.TypeFor[runtime.RawExtension]():
		return runtime.RawExtension{Raw: []byte(`{"a":[1,"x",true,2.5]}`)}
	case reflect.TypeFor[apiextensions.JSON]():
		return apiextensions.JSON{Raw: []byte(`["x"]`)}
	case reflect.TypeFor[intstr.IntOrString]():
		if turn {
			return intstr.FromInt32(-7)
		}
		return intstr.FromString("50%")
	case reflect.TypeFor[apiextensions.JSONSchemaPropsOrBool]():
		if turn {
			return apiextensions.JSONSchemaPropsOrBool{Schema: &schema, Allows: true}
		}
		return apiextensions.JSONSchemaPropsOrBool{Allows: true}
	case reflect.TypeFor[apiextensions.JSONSchemaPropsOrArray]():
		return apiextensions.JSONSchemaPropsOrArray{Schema: &schema}
	case reflect.TypeFor[apiextensions.JSONSchemaPropsOrStringArray]():
		return apiextensions.JSONSchemaPropsOrStringArray{Property: []string{"a", "b"}}
	}
	return nil
}

func (f *filler) fill(into reflect.Value) {
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		f.fill(into.Elem())
	case reflect.Struct:
		f.fillStruct(into)
	case reflect.Slice:
		if into.Type().Elem().Kind() == reflect.Uint8 {
			into.SetBytes([]byte{0, 255, byte(f.next())})
			return
		}
		into.Set(reflect.MakeSlice(into.Type(), 2, 2))
		f.fill(into.Index(0))
		f.fill(into.Index(1))
	case reflect.Map:
		into.Set(reflect.MakeMap(into.Type()))
		for range 2 {
			key, value := reflect.New(into.Type().Key()).Elem(), reflect.New(into.Type().Elem()).Elem()
			f.fill(key)
			f.fill(value)
			into.SetMapIndex(key, value)
		}
	case reflect.String:
		into.SetString(fmt.Sprintf("s%d \"ü\"\n", f.next()))
	case reflect.Bool:
		into.SetBool(true)
	case reflect.Int32:
		into.SetInt(int64(-f.next()))
	case reflect.Int64:
		into.SetInt(1<<40 + int64(f.next()))
	case reflect.Float64:
		into.SetFloat(float64(f.next()) / 2)
	default:
		log.Fatalf("%v is not filled", into.Type())
	}
}

func (f *filler) fillStruct(into reflect.Value) {
	if own := f.own(into.Type()); own != nil {
		into.Set(reflect.ValueOf(own))
		return
	}
	if f.seen[into.Type()] {
		return
	}
	f.seen[into.Type()] = true
	for i := range into.NumField() {
		if into.Type().Field(i).Tag.Get("protobuf") != "" {
			f.fill(into.Field(i))
		}
	}
}

func printCase(object runtime.Object, kind schema.GroupVersionKind, last string) {
	object.GetObjectKind().SetGroupVersionKind(kind)
	text, err := json.Marshal(object)
	var encoded bytes.Buffer
	if err == nil {
		err = protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(object, &encoded)
	}
	if err != nil {
		log.Fatal(kind, ": ", err)
	}
	fmt.Printf("{\"json\":%s,\n\"protobuf\":\"%s\"}%s\n", text, base64.StdEncoding.EncodeToString(encoded.Bytes()), last)
}

// printCases writes each kind twice, as Go makes it and filled.
func printCases(kinds []schema.GroupVersionKind) {
	f := &filler{seen: map[reflect.Type]bool{reflect.TypeFor[meta.TypeMeta](): true}}
	fmt.Println("[")
	for i, kind := range kinds {
		zero, err := scheme.Scheme.New(kind)
		if err != nil {
			log.Fatal(err)
		}
		filled := zero.DeepCopyObject()
		f.fill(reflect.ValueOf(filled).Elem())
		printCase(zero, kind, ",")
		last := ","
		if i == len(kinds)-1 {
			last = ""
		}
		printCase(filled, kind, last)
	}
	fmt.Println("]")
}
