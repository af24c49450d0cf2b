package harness

import (
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"
)

type resourceInterface = dynamic.ResourceInterface

func isNotFound(err error) bool { return errors.IsNotFound(err) }
