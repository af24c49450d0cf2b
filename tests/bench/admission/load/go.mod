module moonlet.dev/bench/admission/load

go 1.26.0
