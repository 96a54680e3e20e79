module github.com/console-access/console-access-operator

go 1.26.0
