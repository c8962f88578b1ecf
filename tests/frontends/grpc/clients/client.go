// The conversation of test_clients.py, by grpc-go: `client HOST:PORT` prints it as JSON.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// raw sends and takes messages as they are; it is the codec of every call.
type raw struct{}

func (raw) Marshal(message interface{}) ([]byte, error) { return *message.(*[]byte), nil }
func (raw) Name() string                                { return "raw" }
func (raw) Unmarshal(data []byte, message interface{}) error {
	*message.(*[]byte) = append([]byte{}, data...)
	return nil
}

var connection *grpc.ClientConn

// call returns whether the message came back, or else the status.
func call(name string, message []byte, within time.Duration, more ...grpc.CallOption) interface{} {
	headers := metadata.Pairs("authorization", "Bearer abc", "x-bin", string([]byte{0, 255}))
	ctx := metadata.NewOutgoingContext(context.Background(), headers)
	if within != 0 {
		limited, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		ctx = limited
	}
	var answer []byte
	err := connection.Invoke(ctx, "/test.Echo/"+name, &message, &answer, more...)
	if err != nil {
		return int(status.Code(err))
	}
	return bytes.Equal(answer, message)
}

func stream() []interface{} {
	both := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	opened, err := connection.NewStream(context.Background(), both, "/test.Echo/Stream")
	if err != nil {
		return []interface{}{err.Error()}
	}
	for _, each := range []string{"a", "b", "c"} {
		message := []byte(each)
		if err := opened.SendMsg(&message); err != nil {
			return []interface{}{err.Error()}
		}
	}
	opened.CloseSend()
	got := []interface{}{}
	for {
		var message []byte
		if err := opened.RecvMsg(&message); err != nil {
			if err.Error() == "EOF" {
				return append(got, 0)
			}
			return append(got, int(status.Code(err)))
		}
		got = append(got, string(message))
	}
}

func main() {
	options := grpc.WithDefaultCallOptions(
		grpc.ForceCodec(raw{}),
		grpc.MaxCallRecvMsgSize(math.MaxInt32),
		grpc.MaxCallSendMsgSize(math.MaxInt32),
	)
	var err error
	connection, err = grpc.Dial(os.Args[1], grpc.WithInsecure(), options)
	if err != nil {
		panic(err)
	}
	hello := []byte("hello")
	said := map[string]interface{}{
		"small":    call("Echo", hello, 0),
		"empty":    call("Echo", []byte{}, 0),
		"large":    call("Echo", bytes.Repeat([]byte("x"), 8000000), 0),
		"gzip":     call("Echo", bytes.Repeat([]byte("x"), 100000), 0, grpc.UseCompressor(gzip.Name)),
		"deadline": call("Echo", hello, 10*time.Second),
		"too_late": call("Late", hello, 10*time.Millisecond),
		"unknown":  call("None", hello, 0),
		"stream":   stream(),
	}
	var wait sync.WaitGroup
	answers := make([]interface{}, 200)
	for number := range answers {
		wait.Add(1)
		go func(number int) {
			defer wait.Done()
			within := 9*time.Second + time.Duration(number)*time.Microsecond
			answers[number] = call("Echo", []byte(fmt.Sprint(number)), within)
		}(number)
	}
	wait.Wait()
	answered := 0
	for _, each := range answers {
		if each == true {
			answered++
		}
	}
	said["many"] = answered
	printed, _ := json.Marshal(said)
	fmt.Println(string(printed))
}
