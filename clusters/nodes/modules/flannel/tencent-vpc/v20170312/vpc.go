// SPDX-License-Identifier: Apache-2.0

// Package v20170312 has the names that flannel's backend for Tencent's cloud refers to, and does nothing: the module
// with the real ones cannot be had from every Go module proxy, and no node here is in that cloud.
package v20170312

import "errors"

var errAbsent = errors.New("this flanneld was built without the backend tencent-vpc")

type (
	Client struct{}
	Filter struct {
		Name   *string
		Values []*string
	}
	Route struct {
		RouteId              *uint64
		DestinationCidrBlock *string
		GatewayType          *string
		GatewayId            *string
		RouteType            *string
		Enabled              *bool
	}
	RouteTable struct {
		RouteTableId *string
		RouteSet     []*Route
	}
	DescribeRouteTablesRequest struct{ Filters []*Filter }
	RoutesRequest              struct {
		RouteTableId *string
		Routes       []*Route
	}
	Response struct {
		Response *struct{ RouteTableSet []*RouteTable }
	}
)

func NewClientWithSecretId(_, _, _ string) (*Client, error) { return nil, errAbsent }
func NewDescribeRouteTablesRequest() *DescribeRouteTablesRequest {
	return &DescribeRouteTablesRequest{}
}
func NewCreateRoutesRequest() *RoutesRequest { return &RoutesRequest{} }
func NewDeleteRoutesRequest() *RoutesRequest { return &RoutesRequest{} }

func (*Client) DescribeRouteTables(*DescribeRouteTablesRequest) (*Response, error) {
	return nil, errAbsent
}
func (*Client) CreateRoutes(*RoutesRequest) (*Response, error) { return nil, errAbsent }
func (*Client) DeleteRoutes(*RoutesRequest) (*Response, error) { return nil, errAbsent }
